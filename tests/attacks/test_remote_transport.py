"""Attacks by who answers for a remote, or sits between it and us: servers without end or manners, folders of links."""

from __future__ import annotations

import gzip
import http.server
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from material.attack import attack
from material.projects import RAW
from material.remote_project import Project, make_again
from material.servers import serving

from domainlm.builder.build import build
from domainlm.contract import Resources
from domainlm.store import remote_files
from domainlm.store.canonical import sha256_of
from domainlm.store.local import Store
from domainlm.store.manifest import Entry
from domainlm.store.remote import RemoteError, action_name, object_name, open_remote
from domainlm.store.remote_files import MAX_RECORD_BYTES
from domainlm.store.signatures import TRUSTED_VARIABLE
from domainlm.upkeep.doctor import examine
from domainlm.workflow.prepare import prepare


@contextmanager
def server(answer: Callable[[http.server.BaseHTTPRequestHandler], None]) -> Iterator[tuple[str, list[str]]]:
    """A web server that answers as it likes; gives its address and the paths that were asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            try:
                answer(self)
            except (BrokenPipeError, ConnectionResetError):
                return

        do_HEAD = do_GET

        def log_message(self, format: str, *arguments: object) -> None:
            return None

    with serving(Handler) as address:
        yield address, asked


def at(address: str) -> Any:
    remote = open_remote(Path("/nonexistent"), {"DOMAINLM_REMOTE": address})
    assert remote is not None
    return remote


@attack(
    "remote",
    "endless download",
    "an object or a record that never ends, or is longer than its entry says",
    "the download stops at the first byte too many, and nothing of it stays",
)
@pytest.mark.parametrize("is_said", [True, False], ids=["stated length", "no length"])
def test_an_answer_without_end(is_said: bool, tmp_path: Path) -> None:
    sent: list[int] = []

    def endless(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        if is_said:
            handler.send_header("Content-Length", str(1 << 40))
        handler.end_headers()
        for _ in range(400):
            sent.append(handler.wfile.write(b"x" * (1 << 20)))

    store, said = Store(tmp_path / "store"), []
    with server(endless) as (address, _):
        entry = Entry("a", sha256_of(b"x" * 10), 10)
        assert at(address).fetch([entry], store.objects, said.append) == 0
        assert "more than the 10 bytes" in said[0]
        assert list((store.root / "tmp").iterdir()) == []
        assert at(address).action("0" * 64, said.append) is None
        assert f"more than the {MAX_RECORD_BYTES} bytes" in said[1]
    # what fits between two machines until the line is cut
    assert sum(sent) < 300 << 20


@attack(
    "remote",
    "decompression bomb",
    "a web server that answers with packed bytes (Content-Encoding)",
    "files are requested and accepted unpacked only: nothing is unpacked, and packed bytes have another digest",
)
def test_a_packed_answer_is_not_unpacked(tmp_path: Path) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    asked_for: list[str] = []

    def packed(handler: http.server.BaseHTTPRequestHandler) -> None:
        asked_for.append(handler.headers.get("Accept-Encoding", ""))
        handler.send_response(200)
        handler.send_header("Content-Encoding", "gzip")
        handler.send_header("Content-Length", str(len(bomb)))
        handler.end_headers()
        handler.wfile.write(bomb)

    store, said = Store(tmp_path / "store"), []
    with server(packed) as (address, _):
        assert at(address).fetch([Entry("a", "0" * 64, 50_000_000)], store.objects, said.append) == 0
        assert at(address).action("0" * 64, said.append) is None
    assert set(asked_for) == {"identity"}
    assert len(said) == 2


@attack(
    "remote",
    "request forgery by redirect",
    "a web server that redirects to another host, another port of this machine, or a file",
    "the build stops and names the place; nothing is asked of it",
)
@pytest.mark.parametrize("target", ["other", "file:///etc/passwd", "//169.254.169.254/latest", "ftp://127.0.0.1/x"])
def test_a_redirect_leads_nowhere_else(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_files, "RETRY_SECONDS", ())
    with server(lambda handler: handler.send_error(404)) as (other, asked):

        def redirect(handler: http.server.BaseHTTPRequestHandler) -> None:
            handler.send_response(302)
            handler.send_header("Location", f"{other}/secret" if target == "other" else target)
            handler.end_headers()

        with server(redirect) as (address, _), pytest.raises(RemoteError, match="it redirects requests to"):
            at(address).action("0" * 64)
    assert asked == []


def test_a_redirect_within_the_host_is_followed() -> None:
    def redirect(handler: http.server.BaseHTTPRequestHandler) -> None:
        if handler.path.startswith("/b"):
            handler.send_error(404)
            return
        handler.send_response(302)
        handler.send_header("Location", f"/b{handler.path}")
        handler.end_headers()

    with server(redirect) as (address, asked):
        assert at(address).action("0" * 64) is None
    assert [path[:2] for path in asked] == ["/a", "/b"]


@attack(
    "remote",
    "links and special files",
    "a folder remote in which a record is a link that leads out, a pipe, a device or a folder",
    "it is ignored and named; it is neither read nor waited for, and a push writes nothing through a link",
)
@pytest.mark.parametrize("kind", ["link out", "folder link out", "pipe", "device", "folder", "link to nothing"])
def test_a_folder_remote_of_links(full: Project, kind: str, tmp_path: Path) -> None:
    key = full.key()
    record = full.remote / action_name(key)
    outside = tmp_path / "outside"
    outside.mkdir()
    shutil.copy(record, outside / record.name)
    record.unlink()
    if kind == "link out":
        record.symlink_to(outside / record.name)
    elif kind == "folder link out":
        record.parent.rmdir()
        record.parent.symlink_to(outside)
    elif kind == "pipe":
        os.mkfifo(record)
    elif kind == "device":
        record.symlink_to("/dev/zero")
    elif kind == "folder":
        record.mkdir()
    else:
        record.symlink_to("/nonexistent/file")
    said: list[str] = []
    remote = at(str(full.remote))
    assert remote.action(key, said.append) is None
    assert action_name(key) in said[0]
    before = (outside / record.name).read_bytes()
    if kind in ("folder link out", "folder"):
        with pytest.raises(RemoteError):
            full.push()
    else:
        assert full.push().sent.pushed == [RAW]
        assert not record.is_symlink()
        assert remote.action(key) is not None
    assert [(path.name, path.read_bytes()) for path in outside.iterdir()] == [(record.name, before)]


@attack(
    "remote",
    "links and special files",
    "an object of a folder remote that is a link to a private file of the reader",
    "refused: nothing outside the remote's folder is read",
)
def test_an_object_that_is_a_link_out(full: Project, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("private")
    digest = sha256_of(b"private")
    path = full.remote / object_name(digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(tmp_path / "secret")
    said: list[str] = []
    assert at(str(full.remote)).fetch([Entry("a", digest, 7)], full.store.objects, said.append) == 0
    assert "out of the remote" in said[0]
    assert not full.store.objects.path(digest).exists()


@attack(
    "remote",
    "open permissions",
    "a folder remote that every user of the machine can write to, or that is another user's",
    "reported once per run and by doctor, which calls the first a problem, unless only signed records count",
)
def test_an_open_folder_is_named(full: Project, make: Callable[[str], Project], tmp_path: Path) -> None:
    def check() -> Any:
        return next(check for check in examine(full.path) if check.name == "remote")

    assert (check().is_ok, check().fix) == (True, "")
    clone = make("clone")
    clone.build()
    assert not [line for line in clone.said if "unsigned" in line]
    full.remote.chmod(0o777)
    assert not check().is_ok
    assert "everybody on this machine" in check().found
    other = make("other")
    stamp = prepare({}, other.path).stamps["raw_corpus", "0000"]
    for _ in range(2):
        make_again(other)
        build(other.path, stamp, Resources(log=other.said.append))
    assert len([line for line in other.said if "everybody on this machine" in line]) == 1
    full.remote.chmod(0o770)
    assert check().is_ok
    assert TRUSTED_VARIABLE in check().line()


@attack(
    "workspace",
    "request forgery",
    "an action.json beside an input that asks for files to be fetched from an address of its choice",
    "what is fetched comes from this project's own configuration: the address is never asked",
)
def test_a_record_beside_an_input_fetches_nothing(full: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOMAINLM_REMOTE", "none")
    path = full.path / RAW / "action.json"
    record = json.loads(path.read_bytes())
    with server(lambda handler: handler.send_error(404)) as (address, asked):
        row = {"source": "x", "url": f"{address}/latest/meta-data", "sha256": "0" * 64, "member": None, "kind": "url"}
        record["action"]["config"]["fetched"] = [row]
        path.chmod(0o644)
        path.write_text(json.dumps(record))
        assert full.build("documents").outcome == "built"
    assert asked == []
