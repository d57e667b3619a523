"""Attacks that would write a user's secrets down, or send them to somebody: by addresses, redirects, indexes and error messages."""

from __future__ import annotations

import base64
import json
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from material.attack import attack
from material.checkout import NO_DVC_SETTINGS
from material.servers import Answer, answering_server

from domainlm.commands.progress import Reporter
from domainlm.config.errors import ConfigurationError
from domainlm.config.resolve import resolve
from domainlm.contract import StageError
from domainlm.sources.fetch import fetch, fetch_hub
from domainlm.store.local import Store
from domainlm.store.location import LocationError, store_folder
from domainlm.store.remote_location import RemoteError, remote_location

HIDDEN = "hiddenValue77"
ZEROS = "0" * 64
TEXT = b"the text\n"


def silent(_: str) -> None:
    return None


def url_row(url: str) -> dict[str, Any]:
    row = {"source": "web", "package": None, "version": None, "kind": "wheel", "member": None, "url": url}
    return {**row, "sha256": ZEROS}


def trace_of(error: BaseException) -> str:
    """All that Python prints of an error, causes included."""
    return "".join(traceback.format_exception(error))


@pytest.fixture
def login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A login for 127.0.0.1 and one for every other host, in ~/.netrc."""
    (tmp_path / ".netrc").write_text(
        f"machine 127.0.0.1 login joe password {HIDDEN}\ndefault login any password {HIDDEN}\n"
    )
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NETRC", raising=False)
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)


ADDRESSES = (
    f"https://joe:{HIDDEN}@host/x",
    f"https://joe:a/{HIDDEN}@host/x",
    f"https://joe:a?{HIDDEN}@host/x",
    f"https://joe:a#{HIDDEN}@host/x",
    f"https://joe:[{HIDDEN}@host/x",
    f"https://{HIDDEN}@host/x",
    f"https:/joe:{HIDDEN}@host/x",
    f"//joe:{HIDDEN}@host/x",
    f"joe:{HIDDEN}@host/x",
    f"ftp://joe:{HIDDEN}@host/x",
    f"https://host/x?X-Amz-Credential=a&X-Amz-Signature={HIDDEN}",
    f"https://host/x?sv=2022&se=2030&sig={HIDDEN}",
    f"https://host/x?Expires=1&Signature={HIDDEN}",
    f"https://host/x?access%5Ftoken={HIDDEN}",
    f"https://host/x;jsessionid={HIDDEN}",
    f"https://host/x#token={HIDDEN}",
    f"https://host/glpat-{HIDDEN}/x",
)


@pytest.mark.parametrize("address", ADDRESSES)
@attack(
    "domain file",
    "leaked secrets",
    "an address of a source with a password, a token or a signature, also one that no parser reads",
    "a configuration error that says how to give it; neither the error nor its trace repeats the secret",
)
def test_a_secret_in_a_source_is_refused_unseen(text_project: Any, address: str) -> None:
    for key, origin in {
        "fetch.url": {"fetch": {"url": address, "sha256": ZEROS}},
        "hub.repository": {"hub": {"repository": address, "revision": "a" * 40}},
    }.items():
        with pytest.raises(ConfigurationError) as raised:
            resolve(text_project.path, {"sources": {"web": {"role": "corpus", **origin}}})
        assert f"sources.web.{key}: " in str(raised.value)
        assert HIDDEN not in trace_of(raised.value)


@attack(
    "domain file",
    "leaked secrets",
    "a secret under any other key of a source: local, label_table, include, labels",
    "a configuration error that names the key",
)
def test_a_secret_is_refused_under_any_key(text_project: Any) -> None:
    address = f"https://joe:{HIDDEN}@host/x"
    for key, values in {
        "local": {"local": address},
        "label_table": {"local": "corpus", "label_table": address},
        "include.0": {"local": "corpus", "include": [address]},
        "labels.0.licence": {"local": "corpus", "labels": [{"pattern": "*", "licence": address}]},
    }.items():
        with pytest.raises(ConfigurationError, match=rf"sources\.web\.{key}: holds a user or password") as raised:
            resolve(text_project.path, {"sources": {"web": {"role": "corpus", **values}}})
        assert HIDDEN not in trace_of(raised.value)


@attack(
    "domain file",
    "leaked secrets",
    "a domain file with a secret that is broken elsewhere: not YAML, a key twice, an unknown key",
    "the error quotes the file without the secret",
)
def test_a_broken_file_is_quoted_without_its_secrets(text_project: Any) -> None:
    folder = text_project.path / "config/domains"
    folder.mkdir()
    line = f"  web: {{role: corpus, fetch: {{url: 'https://host/x?sig={HIDDEN}', sha256: '{ZEROS}'}}"
    for text in (
        f"sources:\n{line}\nraw_corpus: [\n",
        f"sources:\n{line}}}\n  web: https://joe:{HIDDEN}@host\n",
        f"sources:\n{line}, urll: 'https://joe:{HIDDEN}@host/'}}\n",
        f"sources: https://joe:{HIDDEN}@host/\n",
        f"https://joe:{HIDDEN}@host/: 1\n",
    ):
        (folder / "broken.yaml").write_text(text)
        with pytest.raises(ConfigurationError) as raised:
            resolve(text_project.path, {"domain": "broken"})
        assert HIDDEN not in str(raised.value)


@attack(
    "domain file",
    "credential theft",
    "a server that redirects to another host, or names one for which ~/.netrc has only a `default` entry",
    "the login goes to the host of the address alone",
)
def test_a_login_stays_with_its_host(store: Store, login: None) -> None:
    seen: list[tuple[str, str | None]] = []

    def other(path: str, headings: Mapping[str, str]) -> Answer:
        seen.append(("other", headings.get("Authorization")))
        return 404, {}, b""

    with answering_server(other) as there:
        elsewhere = there.replace("127.0.0.1", "localhost")

        def first(path: str, headings: Mapping[str, str]) -> Answer:
            seen.append(("first", headings.get("Authorization")))
            # another port is another origin, as another name is
            return 302, {"Location": f"{there if path == '/port' else elsewhere}/x"}, b""

        with answering_server(first) as here:
            for path in ("port", "host"):
                with pytest.raises(StageError, match="the server answered 404"):
                    fetch(url_row(f"{here}/{path}"), store, silent)
        with pytest.raises(StageError, match="the server answered 404"):
            fetch(url_row(f"{elsewhere}/x"), store, silent)
    given = f"Basic {base64.b64encode(f'joe:{HIDDEN}'.encode()).decode()}"
    assert seen == [("first", given), ("other", None), ("first", given), ("other", None), ("other", None)]


@attack(
    "domain file",
    "denial of service",
    "a redirect that comes with a body without end",
    "the body is not read; the redirect is followed",
)
def test_what_comes_with_a_redirect_is_not_read(store: Store, login: None) -> None:
    import hashlib

    def answer(path: str, headings: Mapping[str, str]) -> Answer:
        # a gigabyte is announced and does not come: to read it would be to wait for it
        return (
            (200, {}, TEXT)
            if path == "/text.txt"
            else (302, {"Location": "/text.txt", "Content-Length": "1000000000"}, b"x")
        )

    with answering_server(answer) as address:
        row = {**url_row(f"{address}/moved"), "sha256": hashlib.sha256(TEXT).hexdigest()}
        fetch(row, store, silent)


@attack(
    "package index",
    "leaked secrets",
    "an index whose address holds a login and which does not answer, or cannot be read as an address",
    "pip's reason is quoted without the login",
)
def test_the_login_of_an_index_is_not_quoted(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_RETRIES", "0")
    row = {"source": "web", "package": "evil", "version": "1.0", "kind": "sdist", "member": None, "sha256": ZEROS}
    for number, address in enumerate(
        (f"http://joe:{HIDDEN}@127.0.0.1:9/simple", f"http://joe:a/{HIDDEN}@127.0.0.1:9/simple")
    ):
        settings = tmp_path / f"pip{number}.conf"
        settings.write_text(f"[global]\nindex-url = {address}\n")
        monkeypatch.setenv("PIP_CONFIG_FILE", str(settings))
        with pytest.raises(StageError, match=r"cannot download evil==1\.0") as raised:
            fetch(row, store, silent)
        assert HIDDEN not in trace_of(raised.value)


@attack(
    "remote",
    "leaked secrets",
    "DOMAINLM_REMOTE or DVC's configuration with a password that is read as a port, a path or a broken line",
    "an error that names the variable or file; neither it nor its trace repeats the secret",
)
def test_the_password_of_a_remote_is_not_quoted(tmp_path: Path) -> None:
    for scheme in ("https", "ssh", "s3", "gs"):
        for password in (
            HIDDEN,
            f"{HIDDEN}/a",
            f"a/{HIDDEN}",
            f"a?{HIDDEN}",
            f"a#{HIDDEN}",
            f"[{HIDDEN}",
            f"a@{HIDDEN}",
        ):
            with pytest.raises(RemoteError, match="DOMAINLM_REMOTE") as raised:
                remote_location(
                    tmp_path, {**NO_DVC_SETTINGS, "DOMAINLM_REMOTE": f"{scheme}://joe:{password}@127.0.0.1:9/x"}
                )
            assert HIDDEN not in trace_of(raised.value)
    (tmp_path / ".dvc").mkdir()
    for text in (f"['remote \"x\"']\npassword {HIDDEN}\n", f"password = {HIDDEN}\n", f"[core\nremote = {HIDDEN}\n"):
        (tmp_path / ".dvc/config.local").write_text(text)
        for locate in (
            lambda: remote_location(tmp_path, NO_DVC_SETTINGS),
            lambda: store_folder(tmp_path, NO_DVC_SETTINGS),
        ):
            with pytest.raises(LocationError) as failed:
                locate()
            assert HIDDEN not in trace_of(failed.value)


@attack(
    "base model",
    "leaked secrets",
    "a hub that repeats the token it was sent in its error",
    "the message masks it, and names HF_TOKEN",
)
def test_the_token_of_the_hub_is_not_quoted(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    import httpx2
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError

    def listed(*_: Any, **__: Any) -> list[str]:
        request = httpx2.Request("GET", "https://hub.example/api")
        raise HfHubHTTPError(
            f"401 for {HIDDEN} and hf_AbCdEfGhIjKlMnOp", response=httpx2.Response(401, request=request)
        )

    monkeypatch.setenv("HF_TOKEN", HIDDEN)
    monkeypatch.setattr(huggingface_hub, "list_repo_files", listed)
    hub = {
        "repository": "a/b",
        "revision": "a" * 40,
        "source": "web",
        "kind": "dataset",
        "patterns": ["**"],
        "exclude": [],
    }
    with pytest.raises(StageError, match=r"401 for \*\*\* and \*\*\*; .*HF_TOKEN") as raised:
        fetch_hub(hub, store, silent)
    assert HIDDEN not in str(raised.value)


@attack(
    "workspace",
    "leaked secrets",
    "a defect whose trace quotes a proxy's password, a signed address, a key of the environment",
    "the log file and the terminal get the trace with each of them masked",
)
def test_a_trace_in_a_log_is_masked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", f"/{HIDDEN}+key")
    monkeypatch.setenv("HTTPS_PROXY", f"http://joe:{HIDDEN}Proxy@127.0.0.1:9")
    try:
        try:
            raise OSError(f"proxy http://joe:{HIDDEN}Proxy@127.0.0.1:9, password {HIDDEN}Proxy, key /{HIDDEN}+key")
        except OSError as error:
            raise ValueError(f"https://host/x?X-Amz-Signature={HIDDEN}") from error
    except ValueError:
        with Reporter("x", tmp_path / "x.log") as reporter:
            reporter.log(f"failed:\n{traceback.format_exc()}")
    for text in ((tmp_path / "x.log").read_text(), capsys.readouterr().err):
        # the lines of the source above, which Python quotes, hold the name of the word and not the word
        assert HIDDEN not in text
        assert "X-Amz-Signature=***" in text


@attack(
    "domain file",
    "leaked secrets",
    "a build that fails with a secret of the environment in its error",
    "builds.jsonl keeps the reason without it",
)
def test_the_reason_of_a_failure_is_masked(text_project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_PASSWORD", HIDDEN)
    (text_project.path / f"corpus/{HIDDEN}.txt").write_text("a text that goes away.\n")
    stamps = text_project.stamps()
    (text_project.path / f"corpus/{HIDDEN}.txt").unlink()

    from domainlm.builder.history import recorded_build
    from domainlm.contract import Resources

    failed = 0
    for stamp in [stamp for stamp in stamps if stamp.artifact == "raw_corpus" and stamp.shard is not None]:
        try:
            recorded_build(text_project.path, stamp, Resources(log=silent))
        except StageError:
            failed += 1
    rows = [json.loads(line) for line in (text_project.path / ".domainlm/builds.jsonl").read_text().splitlines()]
    assert failed == 1
    assert [row["why"] for row in rows if row["outcome"] == "failed" and HIDDEN in row["why"]] == []


NETRC_FAULTS: dict[str, Callable[[Path], None]] = {
    "a word too many": lambda file: file.write_text(f"machine 127.0.0.1 login joe password a\n{HIDDEN} b\n") and None,
    "rights for others": lambda file: file.chmod(0o644),
    "no text": lambda file: file.write_bytes(b"\xff\xfe" + HIDDEN.encode()) and None,
}


@pytest.mark.parametrize("fault", NETRC_FAULTS)
@attack(
    "workspace",
    "leaked secrets",
    "a ~/.netrc that cannot be read, or that others may read",
    "the fetch fails and names the file and line, but not their content",
)
def test_a_login_file_is_not_quoted(fault: str, store: Store, login: None, tmp_path: Path) -> None:
    NETRC_FAULTS[fault](tmp_path / ".netrc")
    with pytest.raises(StageError, match=r"\.netrc cannot be (used|read)") as raised:
        fetch(url_row("http://127.0.0.1:9/x"), store, silent)
    assert HIDDEN not in trace_of(raised.value)
