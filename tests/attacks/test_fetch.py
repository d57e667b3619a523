"""Attacks through what is fetched: distributions of an index, pages, redirects, revisions of the hub."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from material.attack import attack
from material.distributions import TEXT, sdist, sha256, silent
from material.packers import zipped
from material.servers import Answer, answering_server

from domainlm.contract import StageError
from domainlm.sources.fetch import fetch, fetch_hub
from domainlm.sources.rows import HUB_PATTERNS
from domainlm.store.local import Store

ZEROS = "0" * 64


def package_row(**changes: Any) -> dict[str, Any]:
    return {
        **{"source": "web", "package": "tiny-corpus", "version": "1.0", "kind": "sdist", "member": None, "url": None},
        **{"sha256": ZEROS, **changes},
    }


def url_row(url: str, data: bytes = TEXT) -> dict[str, Any]:
    return package_row(package=None, version=None, kind="wheel", url=url, sha256=sha256(data))


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that pip takes distributions from."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder), "PIP_CONFIG_FILE": "/dev/null"}.items():
        monkeypatch.setenv(name, value)
    return folder


@pytest.fixture
def web_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: Path) -> Callable[[str], None]:
    """web_index(address): pip takes distributions from an index there, and keeps nothing."""

    def use(address: str) -> None:
        monkeypatch.delenv("PIP_NO_INDEX")
        monkeypatch.delenv("PIP_FIND_LINKS")
        monkeypatch.setenv("PIP_INDEX_URL", f"{address}/simple")
        monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")

    return use


BUILD_SYSTEM = '[build-system]\nrequires = [{requires}]\nbuild-backend = "{backend}"\nbackend-path = ["."]\n'


TRAPS: dict[str, Callable[[str, str], dict[str, str]]] = {
    "backend-path": lambda trap, folder: {
        "pyproject.toml": BUILD_SYSTEM.format(requires="", backend="own"),
        "own.py": trap,
    },
    "a backend with a known name": lambda trap, folder: {
        "pyproject.toml": BUILD_SYSTEM.format(requires="", backend="setuptools.build_meta"),
        "setuptools/__init__.py": trap,
        "setuptools/build_meta.py": trap,
    },
    "a requirement of the build": lambda trap, folder: {
        "pyproject.toml": BUILD_SYSTEM.format(
            requires=f'"evil @ file://{folder}/tiny_corpus-1.0.tar.gz"', backend="own"
        ),
        "own.py": trap,
    },
    "setup.py": lambda trap, folder: {
        "setup.py": trap,
        "setup.cfg": "[metadata]\nname = attr: own.x\n",
        "own.py": trap,
    },
    "modules that Python loads by itself": lambda trap, folder: {
        "sitecustomize.py": trap,
        "x.pth": "import own",
        "own.py": trap,
    },
}


@pytest.mark.parametrize("kind", TRAPS)
@attack(
    "package index",
    "build backend",
    "a source distribution that brings its own build backend, setup.py or build requirement",
    "the archive is stored as it is; no code of it runs and no requirement is downloaded",
)
def test_no_code_of_a_source_distribution_runs(kind: str, index: Path, store: Store, tmp_path: Path) -> None:
    trap = tmp_path / "was_run"
    data = sdist(TRAPS[kind](f"open({str(trap)!r}, 'w').close()\n", str(index)))
    (index / "tiny_corpus-1.0.tar.gz").write_bytes(data)
    fetch(package_row(sha256=sha256(data)), store, silent)
    assert not trap.exists()
    assert store.objects.path(sha256(data)).read_bytes() == data


@attack(
    "package index",
    "build backend",
    "a source distribution where the declared kind is a wheel",
    "the fetch fails with the versions of that kind; nothing is built",
)
def test_a_wheel_is_not_made_from_a_source_distribution(index: Path, store: Store, tmp_path: Path) -> None:
    trap = tmp_path / "was_run"
    (index / "tiny_corpus-1.0.tar.gz").write_bytes(sdist({"setup.py": f"open({str(trap)!r}, 'w').close()\n"}))
    with pytest.raises(StageError, match=r"No matching distribution found for tiny-corpus==1\.0 \(wheel\)"):
        fetch(package_row(kind="wheel", member="x.txt"), store, silent)
    assert not trap.exists()


@attack(
    "package index",
    "zip slip",
    "a wheel whose member of the wanted name leads out of the archive, is a link, or comes twice",
    "nothing is written outside; the member that is read has the declared digest, or the fetch fails",
)
def test_a_wheel_is_read_and_not_unpacked(index: Path, store: Store, tmp_path: Path) -> None:
    path = index / "tiny_corpus-1.0-py3-none-any.whl"
    link = zipfile.ZipInfo("tiny/link.txt")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../escaped.txt", TEXT)
        archive.writestr(link, "/etc/hostname")
        archive.writestr("tiny/text.txt", b"another\n")
    for member in ("tiny/text.txt", "tiny/link.txt", "escaped.txt"):
        with pytest.raises(StageError):
            fetch(package_row(kind="wheel", member=member, sha256=sha256(TEXT)), store, silent)
    assert not list(tmp_path.rglob("escaped.txt"))
    assert not (store.root / "objects").exists()


@pytest.mark.parametrize(
    "href",
    [
        "file://{secret}/tiny_corpus-1.0.tar.gz",
        "git+file://{secret}/tiny_corpus-1.0.tar.gz",
        "ftp://127.0.0.1:9/tiny_corpus-1.0.tar.gz",
    ],
)
@attack(
    "package index",
    "confused deputy",
    "a page of an index that links to a file of this machine or to a repository",
    "such links are no candidates; the file is not read, no repository is cloned",
)
def test_an_index_cannot_name_files_of_this_machine(
    href: str, store: Store, tmp_path: Path, web_index: Callable[[str], None]
) -> None:
    data = sdist({})
    (tmp_path / "tiny_corpus-1.0.tar.gz").write_bytes(data)
    page = f"<a href='{href.format(secret=tmp_path)}'>tiny_corpus-1.0.tar.gz</a>".encode()

    def answer(path: str, headings: Mapping[str, str]) -> Answer:
        return (200, {"Content-Type": "text/html"}, page) if path.startswith("/simple/") else (404, {}, b"")

    with answering_server(answer) as address:
        web_index(address)
        with pytest.raises(StageError, match="No matching distribution"):
            fetch(package_row(sha256=sha256(data)), store, silent)
    assert not (store.root / "objects").exists()


@attack(
    "package index",
    "dependency confusion",
    "another file under the same name and version, or with a digest other than the one in the index",
    "the build stops and names both digests; nothing of it is kept",
)
def test_another_file_under_the_name_is_refused(store: Store, web_index: Callable[[str], None]) -> None:
    good, bad = sdist({}), sdist({"evil.py": "x"})
    page = b"<a href='/files/tiny_corpus-1.0.tar.gz'>tiny_corpus-1.0.tar.gz</a>"
    lying = f"<a href='/files/tiny_corpus-1.0.tar.gz#sha256={sha256(good)}'>tiny_corpus-1.0.tar.gz</a>".encode()
    pages = [page, lying]

    def answer(path: str, headings: Mapping[str, str]) -> Answer:
        return (200, {"Content-Type": "text/html"}, pages[0]) if path.startswith("/simple/") else (200, {}, bad)

    with answering_server(answer) as address:
        web_index(address)
        with pytest.raises(
            StageError, match=rf"has sha256 {sha256(bad)}, but sources\.web\.fetch\.sha256 is {sha256(good)}"
        ):
            fetch(package_row(sha256=sha256(good)), store, silent)
        pages.pop(0)
        with pytest.raises(StageError, match=rf"its sha256 is {sha256(bad)}, but the index says {sha256(good)}"):
            fetch(package_row(sha256=sha256(good)), store, silent)
    assert not (store.root / "objects").exists()


@pytest.mark.parametrize(
    "target",
    [
        "file:///etc/hostname",
        "ftp://127.0.0.1:9/x",
        "http://joe:hidden@127.0.0.1:9/x",
        "data:,x",
        "//[::1/x",
        "gopher://x",
    ],
)
@attack(
    "domain file",
    "redirect",
    "a server that redirects to a file, to ftp, or to an address with a password",
    "the fetch fails; the other address is not asked, and not quoted",
)
def test_a_redirect_leads_to_http_only(target: str, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("domainlm.sources.fetch_url.time", SimpleNamespace(sleep=lambda seconds: None))
    with (
        answering_server(lambda path, headings: (302, {"Location": target}, b"")) as address,
        pytest.raises(StageError, match="cannot download") as raised,
    ):
        fetch(url_row(f"{address}/x"), store, silent)
    assert "hidden" not in str(raised.value)
    assert not (store.root / "objects").exists()


@attack("domain file", "redirect", "an https address that redirects to http", "the fetch fails and names the host")
def test_a_redirect_does_not_leave_https() -> None:
    import http.client
    import urllib.request

    from domainlm.sources.fetch_url import RefusedRedirect, _Redirects

    request = urllib.request.Request("https://host.example/x")
    handler = _Redirects(("https", "host.example", 443), None)
    with pytest.raises(RefusedRedirect, match=r"from https to http, to other\.example"):
        handler.redirect_request(request, io.BytesIO(), 302, "", http.client.HTTPMessage(), "http://other.example/x")


@attack(
    "domain file",
    "disk bomb",
    "an address whose body is longer than the disk has room",
    "the full file system is named and the partial file is gone",
)
def test_an_endless_body_ends_with_the_disk(small_disk: Callable[[int], Path]) -> None:
    store = Store(small_disk(2000) / "store")
    with (
        answering_server(lambda path, headings: (200, {}, bytes(4_000_000))) as address,
        pytest.raises(OSError, match="No space left on device"),
    ):
        fetch(url_row(f"{address}/x"), store, silent)
    assert list((store.root / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    "name", ["../escaped.jsonl", "/escaped.jsonl", "a/../../escaped.jsonl", "a\\..\\..\\escaped.jsonl"]
)
@attack(
    "domain file",
    "path traversal",
    "a dataset of the hub that names files outside its folder",
    "the fetch fails and names the file; none is written",
)
def test_a_name_of_the_hub_stays_inside(name: str, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "list_repo_files", lambda *_, **__: ["good.jsonl", name])
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *_, **__: pytest.fail("downloaded"))
    hub = {
        "repository": "a/b",
        "revision": "a" * 40,
        "source": "web",
        "kind": "dataset",
        "patterns": ["**"],
        "exclude": [],
    }
    with pytest.raises(StageError, match="leads out of its folder; nothing of it was fetched"):
        fetch_hub(hub, store, silent)


@attack(
    "base model",
    "pickle",
    "a model of the hub with pickled weights or Python files beside the safetensors",
    "they are never downloaded",
)
def test_no_pickle_and_no_code_of_the_hub_is_asked_for() -> None:
    from huggingface_hub.utils import filter_repo_objects

    names = ["model.safetensors", "config.json", "tokenizer.model", "chat_template.jinja"]
    bad = [
        *(
            "pytorch_model.bin",
            "model.pt",
            "model.pth",
            "model.ckpt",
            "x.pkl",
            "x.pickle",
            "x.npy",
            "x.npz",
            "x.joblib",
            "x.msgpack",
        ),
        *("modeling.py", "x.so", "x.h5", "training_args.bin", "sub/pytorch_model.bin", "x.zip", "x.gguf.sh"),
    ]
    assert list(filter_repo_objects(names + bad, allow_patterns=list(HUB_PATTERNS))) == names


@attack(
    "package index",
    "archive confusion",
    "a distribution that is no archive of its name's kind",
    "the fetch fails with a line; what is declared as a whole is kept unopened",
)
def test_a_distribution_that_is_no_archive_is_one_line(index: Path, store: Store) -> None:
    path = index / "tiny_corpus-1.0-py3-none-any.whl"
    for data in (b"#!/bin/sh\n", b"", zipped({"a": b"b"})[:-30]):
        path.write_bytes(data)
        with pytest.raises(StageError, match=r"is not a readable zip or tar archive|has no member"):
            fetch(package_row(kind="wheel", member="tiny/text.txt"), store, silent)
