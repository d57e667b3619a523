from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from material.checkout import NO_DVC_SETTINGS
from material.keys import make_key
from material.servers import http_server

from domainlm.store import remote_files
from domainlm.store.actions import action_key, make_action
from domainlm.store.local import Store
from domainlm.store.manifest import Entry, Manifest
from domainlm.store.remote import Parcel, Remote, RemoteError, action_name, object_name, open_remote
from domainlm.store.signatures import SIGNING_VARIABLE, TRUSTED_VARIABLE

Make = Callable[..., Parcel]
# as where no configuration of the machine's own user is


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_files, "RETRY_SECONDS", ())


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def parcel(store: Store, tmp_path: Path) -> Make:
    """parcel(files, name): an artifact in the store, from files' names and contents."""

    def make(files: dict[str, str], name: str = "documents", **built: Any) -> Parcel:
        out = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
        for path, text in files.items():
            (out / path).parent.mkdir(parents=True, exist_ok=True)
            (out / path).write_text(text)
        manifest = store.commit(out)
        action = make_action(name, "code", {"knob": 1}, {}, {})
        key = action_key(action)
        return Parcel(name, out, key, manifest, {"key": key, "action": action, "built": {"python": "3.11", **built}})

    return make


def at(folder: Path, **environment: str) -> Remote:
    remote = open_remote(Path("/nonexistent"), {**NO_DVC_SETTINGS, "DOMAINLM_REMOTE": str(folder), **environment})
    assert remote is not None
    return remote


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    (tmp_path / "remote").mkdir()
    return at(tmp_path / "remote")


def rewrite(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    row = json.loads(path.read_bytes())
    change(row)
    path.write_text(json.dumps(row))


def test_pushed_then_found_and_fetched(remote: Remote, store: Store, parcel: Make, tmp_path: Path) -> None:
    sent = parcel({"a.txt": "some text", "0000/b.txt": "more", "empty": ""})
    done = remote.push([sent], store.objects)
    assert (done.pushed, done.present, done.moved_objects, done.moved_bytes) == (["documents"], [], 3, 13)
    found = remote.action(sent.key)
    assert found == (sent.manifest, sent.record)
    other = Store(tmp_path / "other")
    assert remote.fetch(sent.manifest.entries, other.objects) == 13
    assert other.has_all(sent.manifest)
    assert list((other.root / "tmp").iterdir()) == []


def test_the_second_push_moves_nothing(remote: Remote, store: Store, parcel: Make) -> None:
    sent = parcel({"a.txt": "some text"})
    remote.push([sent], store.objects)
    before = {path: path.stat().st_mtime_ns for path in Path(remote.location.root).rglob("*")}
    done = remote.push([sent], store.objects)
    assert (done.pushed, done.present, done.moved_objects) == ([], ["documents"], 0)
    assert {path: path.stat().st_mtime_ns for path in Path(remote.location.root).rglob("*")} == before


def test_a_dry_run_counts_and_writes_nothing(store: Store, parcel: Make, tmp_path: Path) -> None:
    done = at(tmp_path / "new").push([parcel({"a.txt": "some text"})], store.objects, is_dry_run=True)
    assert (done.pushed, done.moved_bytes) == (["documents"], 9)
    assert not (tmp_path / "new").exists()


def test_a_killed_push_shows_nothing_and_is_taken_up_again(
    remote: Remote, store: Store, parcel: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = parcel({f"{number}.txt": f"text {number}" for number in range(20)})
    original, seen = remote.files.send, []

    def killed(file: Path, name: str) -> None:
        seen.append(name)
        if len(seen) > 5:
            raise KeyboardInterrupt
        original(file, name)

    monkeypatch.setattr(remote.files, "send", killed)
    with pytest.raises(KeyboardInterrupt):
        remote.push([sent], store.objects)
    assert remote.action(sent.key) is None
    monkeypatch.setattr(remote.files, "send", original)
    done = remote.push([sent], store.objects)
    assert 0 < done.moved_objects <= 15
    assert remote.action(sent.key) is not None


def test_a_killed_fetch_keeps_what_arrived(
    remote: Remote, store: Store, parcel: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = parcel({f"{number}.txt": f"text {number}" for number in range(20)})
    remote.push([sent], store.objects)
    original, seen = remote.files.fetch, []

    def killed(name: str, target: Path, max_bytes: int) -> bool:
        seen.append(name)
        if len(seen) > 5:
            raise RemoteError("the line is cut")
        return original(name, target, max_bytes)

    other = Store(tmp_path / "other")
    monkeypatch.setattr(remote.files, "fetch", killed)
    with pytest.raises(RemoteError, match="cut"):
        remote.fetch(sent.manifest.entries, other.objects)
    here = [entry for entry in sent.manifest.entries if other.objects.has(entry.sha256, entry.size)]
    assert len(here) == 5
    monkeypatch.setattr(remote.files, "fetch", original)
    assert remote.fetch([e for e in sent.manifest.entries if e not in here], other.objects) > 0
    assert other.has_all(sent.manifest)


@pytest.mark.parametrize("damage", ["flipped", "cut", "gone"])
def test_a_damaged_object_never_enters_the_store(
    remote: Remote, store: Store, parcel: Make, tmp_path: Path, damage: str
) -> None:
    sent = parcel({"a.txt": "some text", "b.txt": "other text"})
    remote.push([sent], store.objects)
    entry = sent.manifest.entries[0]
    path = Path(remote.location.root, object_name(entry.sha256))
    data = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(data[:-1] if damage == "cut" else data[:-1] + b"!")
    other, said = Store(tmp_path / "other"), []
    assert remote.fetch(sent.manifest.entries, other.objects, said.append) == sent.manifest.entries[1].size
    assert not other.objects.path(entry.sha256).exists()
    assert other.objects.path(sent.manifest.entries[1].sha256).exists()
    assert any(object_name(entry.sha256) in line for line in said)
    # a push mends what its size or its absence gives away
    assert remote.push([sent], store.objects).moved_objects == (0 if damage == "flipped" else 1)


def test_damage_here_is_not_sent(remote: Remote, store: Store, parcel: Make) -> None:
    sent, whole = parcel({"a.txt": "some text"}), parcel({"b.txt": "sound"}, name="clean_shards")
    path = store.objects.path(sent.manifest.entries[0].sha256)
    path.chmod(0o644)
    path.write_text("some tex!")
    done = remote.push([sent, whole], store.objects)
    assert (done.damaged, done.pushed) == ({"documents": "a.txt"}, ["clean_shards"])
    assert remote.action(sent.key) is None
    assert not Path(remote.location.root, object_name(sent.manifest.entries[0].sha256)).exists()


def test_what_the_store_lost_is_sent_from_where_it_is_installed(remote: Remote, store: Store, parcel: Make) -> None:
    sent = parcel({"a.txt": "some text"})
    os.link(store.objects.path(sent.manifest.entries[0].sha256), sent.folder / "a.txt")
    store.objects.path(sent.manifest.entries[0].sha256).unlink()
    assert remote.push([sent], store.objects).moved_bytes == 9


def test_the_first_output_of_a_key_stays_at_the_remote(remote: Remote, store: Store, parcel: Make) -> None:
    first, second = parcel({"a.txt": "first"}), parcel({"a.txt": "second"}, python="3.12")
    remote.push([first], store.objects)
    done = remote.push([second], store.objects)
    assert (done.pushed, done.present, done.moved_objects) == ([], [], 0)
    assert [(mine.manifest, theirs) for mine, theirs, _ in done.others] == [(second.manifest, first.manifest)]
    assert remote.action(first.key) == (first.manifest, first.record)


def evil(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda row: row["manifest"]["files"][0].update(changes)


@pytest.mark.parametrize(
    "change",
    [
        lambda row: row["action_record"]["action"].update(code="other"),
        lambda row: row["action_record"].update(key="0" * 64),
        lambda row: row.pop("manifest"),
        evil(path="../outside"),
        evil(path="/etc/passwd"),
        evil(path="manifest.json"),
        evil(sha256="../../../outside"),
        evil(sha256=None),
        evil(size=-1),
    ],
)
def test_a_record_that_is_not_its_key_s_or_leaves_its_folder_is_refused(
    remote: Remote, store: Store, parcel: Make, change: Callable[[dict[str, Any]], None]
) -> None:
    sent = parcel({"a.txt": "some text"})
    remote.push([sent], store.objects)
    path = Path(remote.location.root, action_name(sent.key))
    rewrite(path, change)
    said: list[str] = []
    assert remote.action(sent.key, said.append) is None
    assert action_name(sent.key) in said[0]
    # the next push puts a right one in its place
    assert remote.push([sent], store.objects).pushed == ["documents"]
    assert remote.action(sent.key) == (sent.manifest, sent.record)


def test_http_serves_what_a_folder_holds(remote: Remote, store: Store, parcel: Make, tmp_path: Path) -> None:
    sent = parcel({"a.txt": "some text"})
    remote.push([sent], store.objects)
    with http_server(Path(remote.location.root)) as address:
        served = open_remote(tmp_path, {**NO_DVC_SETTINGS, "DOMAINLM_REMOTE": address})
        assert served is not None
        assert served.action(sent.key) == (sent.manifest, sent.record)
        assert served.action("0" * 64) is None
        assert served.fetch(sent.manifest.entries, Store(tmp_path / "other").objects) == 9


def test_opening_a_remote_loads_no_file_system_and_no_network() -> None:
    code = (
        "import sys; from pathlib import Path; from domainlm.store.remote import open_remote\n"
        "for url in ('s3://b/c', 'ssh://h/c', 'http://h/c', '/c'):\n"
        "    open_remote(Path('/nonexistent'), {'DOMAINLM_REMOTE': url})\n"
        "print(sorted({'fsspec', 's3fs', 'sshfs', 'aiohttp', 'asyncssh', 'botocore'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_only_signed_records_count_where_keys_are_trusted(store: Store, parcel: Make, tmp_path: Path) -> None:
    ours, theirs = make_key(tmp_path / "ours"), make_key(tmp_path / "theirs")
    trusted = tmp_path / "allowed_signers"
    trusted.write_text(f"team@example.org {ours.with_suffix('.pub').read_text()}")
    (tmp_path / "remote").mkdir()
    plain = at(tmp_path / "remote")
    strict = at(tmp_path / "remote", **{TRUSTED_VARIABLE: str(trusted)})
    sent = parcel({"a.txt": "some text"})
    plain.push([sent], store.objects)
    said: list[str] = []
    assert strict.action(sent.key, said.append) is None
    assert str(trusted) in said[0]
    # signed by a stranger: the record has a signature now, and it stays
    at(tmp_path / "remote", **{SIGNING_VARIABLE: str(theirs)}).push([sent], store.objects)
    assert strict.action(sent.key) is None
    path = Path(plain.location.root, action_name(sent.key))
    rewrite(path, lambda row: row.pop("signature"))
    done = at(tmp_path / "remote", **{SIGNING_VARIABLE: str(ours)}).push([sent], store.objects)
    assert (done.pushed, done.moved_objects) == (["documents"], 0)
    assert strict.action(sent.key) == (sent.manifest, sent.record)
    assert plain.action(sent.key) == (sent.manifest, sent.record)
    # signed is which output belongs to the key
    rewrite(path, evil(sha256="0" * 64))
    assert strict.action(sent.key) is None


def test_an_empty_manifest_is_an_artifact_too(remote: Remote, store: Store, parcel: Make, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    sent = parcel({"a": "b"})
    sent = Parcel("x", tmp_path / "nothing", sent.key, Manifest(()), sent.record)
    assert remote.push([sent], store.objects).pushed == ["x"]
    assert remote.fetch([], store.objects) == 0
    assert remote.action(sent.key) == (Manifest(()), sent.record)


def test_one_content_under_many_names_moves_once(remote: Remote, store: Store, parcel: Make, tmp_path: Path) -> None:
    sent = parcel({f"{number}.txt": "the same" for number in range(9)})
    assert remote.push([sent], store.objects).moved_objects == 1
    assert remote.fetch([*sent.manifest.entries, Entry("more", *_same(sent))], Store(tmp_path / "other").objects) == 8


def _same(sent: Parcel) -> tuple[str, int]:
    return sent.manifest.entries[0].sha256, sent.manifest.entries[0].size
