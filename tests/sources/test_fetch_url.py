from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from material.distributions import TEXT, basic, sha256, silent, write_sdist
from material.servers import Answer, answering_server, http_server

from domainlm.contract import StageError
from domainlm.sources.fetch import fetch
from domainlm.store.local import Store

# the module's clock alone: threads of this process sleep, too
CLOCK = "domainlm.sources.fetch_url.time"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, str]]:
    """A folder and the address at which its files are."""
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "site"
    folder.mkdir()
    with http_server(folder) as address:
        yield folder, address


def url_row(url: str, data: bytes, **changes: Any) -> dict[str, Any]:
    return {"source": "tiny", "package": None, "version": None, "kind": "wheel", "member": None, "url": url} | {
        "sha256": sha256(data),
        **changes,
    }


def test_a_url_s_file_becomes_an_object(site: tuple[Path, str], store: Store) -> None:
    folder, address = site
    (folder / "text.txt").write_bytes(TEXT)
    said: list[str] = []
    fetch(url_row(f"{address}/text.txt", TEXT), store, said.append)
    assert store.objects.path(sha256(TEXT)).read_bytes() == TEXT
    assert said == [f"fetching {address}/text.txt for source tiny"]


def test_one_member_of_what_a_url_gives(site: tuple[Path, str], store: Store) -> None:
    folder, address = site
    write_sdist(folder, {})
    url = f"{address}/tiny_corpus-1.0.tar.gz"
    fetch(url_row(url, TEXT, member="tiny_corpus-1.0/doc/text.rst"), store, silent)
    assert store.objects.path(sha256(TEXT)).read_bytes() == TEXT
    with pytest.raises(StageError, match=r"tar\.gz has no member 'other'; check sources\.tiny\.fetch\.member"):
        fetch(url_row(url, b"", member="other"), store, silent)
    (folder / "text.txt").write_bytes(TEXT)
    with pytest.raises(StageError, match="is not a readable zip or tar archive"):
        fetch(url_row(f"{address}/text.txt", b"", member="other"), store, silent)


def test_a_url_s_wrong_digest_keeps_nothing(site: tuple[Path, str], store: Store) -> None:
    folder, address = site
    (folder / "text.txt").write_bytes(b"another text\n")
    with pytest.raises(StageError, match=rf"text\.txt has sha256 {sha256(b'another text' + bytes([10]))}, but"):
        fetch(url_row(f"{address}/text.txt", TEXT), store, silent)
    assert not (store.root / "objects").exists()


def test_a_url_that_is_not_there_is_not_asked_for_again(
    site: tuple[Path, str], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CLOCK, SimpleNamespace(sleep=lambda seconds: pytest.fail("asked again")))
    with pytest.raises(StageError, match=r"cannot download .*/none: the server answered 404; check the address"):
        fetch(url_row(f"{site[1]}/none", TEXT), store, silent)


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """netrc(text): a home folder with such a ~/.netrc."""

    def write(text: str) -> Path:
        home = tmp_path / "home"
        home.mkdir()
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.delenv("NETRC", raising=False)
        (home / ".netrc").write_text(text)
        (home / ".netrc").chmod(0o600)
        return home / ".netrc"

    return write


@pytest.mark.parametrize("fault", ["cut", "refused"])
def test_what_a_server_cuts_short_is_asked_for_again(fault: str, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Answer] = [(200, {}, TEXT)]
    answers.insert(0, (200, {"Content-Length": "1000"}, TEXT[:3]) if fault == "cut" else (503, {}, b""))
    waited: list[float] = []
    monkeypatch.setattr(CLOCK, SimpleNamespace(sleep=waited.append))
    with answering_server(lambda path, headings: answers.pop(0)) as address:
        fetch(url_row(f"{address}/text.txt", TEXT), store, silent)
    assert store.objects.path(sha256(TEXT)).read_bytes() == TEXT
    assert waited == [1.0]


def test_a_login_comes_from_netrc(store: Store, netrc: Callable[[str], Path]) -> None:
    def answer(path: str, headings: Mapping[str, str]) -> Answer:
        # a redirect that stays at the host keeps the login
        if path == "/moved":
            return 302, {"Location": "/text.txt"}, b""
        return (200, {}, TEXT) if headings.get("Authorization") == basic("joe", "pässword") else (401, {}, b"")

    with answering_server(answer) as address:
        with pytest.raises(
            StageError, match=r"answered 401 \(~/\.netrc has no login for 127\.0\.0\.1; expected a line"
        ):
            fetch(url_row(f"{address}/text.txt", TEXT), store, silent)
        netrc("machine 127.0.0.1 login joe password pässword\n")
        fetch(url_row(f"{address}/moved", TEXT), store, silent)
    assert store.objects.path(sha256(TEXT)).read_bytes() == TEXT


def test_netrc_s_own_errors_name_the_line_and_not_the_word(store: Store, netrc: Callable[[str], Path]) -> None:
    file = netrc("machine 127.0.0.1 login joe password\nhidden value\n")
    with pytest.raises(StageError, match=r"\.netrc cannot be used: look at line \d") as raised:
        fetch(url_row("http://127.0.0.1:9/x", TEXT), store, silent)
    assert "hidden" not in str(raised.value)
    assert "value" not in str(raised.value)
    file.write_text("machine 127.0.0.1 login joe password hidden\n")
    file.chmod(0o644)
    with pytest.raises(StageError, match=r"look at its rights; expected .* mode 600"):
        fetch(url_row("http://127.0.0.1:9/x", TEXT), store, silent)
