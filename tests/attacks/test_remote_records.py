"""Attacks by who can write records to a remote or a store: what they say is data, and never in the way later."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from typing import Any

import pytest
from material.attack import attack
from material.projects import DOCUMENTS, RAW
from material.remote_project import Poison, Project, changed, extra, first

from domainlm.contract import StageError
from domainlm.store import remote_files
from domainlm.store.remote import RemoteError, action_name, open_remote
from domainlm.upkeep.verify import verify

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
    "a record with an impossible manifest: false or no sizes, a path that is file and folder, leaves the folder, is too long "
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
    "the store has no record of it; the stage stops once and reports it, and the same command builds the input, without the remote too",
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
    "it is ignored: a record must give its own name, and hold no other fields",
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
    "it is ignored, quarantined and named; the artifact is built",
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
    "it is quarantined; the objects stay, as only bytes that do not match their digest are damage",
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
    "a gathered artifact's record that adds, omits or changes a shard",
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
    "refused: such facts must be short plain text, so that every command and page may show them",
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
    "the build stops before the first byte and names the free space; without the remote it continues",
)
def test_more_than_fits(full: Project, make: Callable[[str], Project], monkeypatch: pytest.MonkeyPatch) -> None:
    clone = make("clone")
    full.rewrite(full.key(), changed(size=1 << 52))
    with pytest.raises(RemoteError, match="are free at the store"):
        clone.build()
    assert not clone.store.actions.path(full.key()).exists()
    monkeypatch.setenv("DOMAINLM_REMOTE", "none")
    assert clone.build().outcome == "built"
