"""What a collection takes and leaves, on a store made by hand."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from domainlm.store import collect as collect_module
from domainlm.store.actions import action_key, make_action
from domainlm.store.canonical import sha256_of
from domainlm.store.collect import IN_FLIGHT_SECONDS, Collection, Limits, Roots, collect
from domainlm.store.lease import lease
from domainlm.store.local import COLLECTION_LOCK, Store
from domainlm.store.roots import Workspaces, find_workspaces, register_workspace

DAY = 86_400.0
NOTHING = Roots({}, frozenset())
Add = Callable[..., str]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def add(store: Store) -> Add:
    """add(artifact, files, days, **action): record an output last used `days` ago; returns its key."""

    def record(artifact: str, files: Mapping[str, str], days: float = 100.0, **action: Any) -> str:
        made = make_action(artifact, "c" * 64, action, {}, {})
        key = action_key(made)
        with store.temporary(key[:16]) as folder:
            for name, text in files.items():
                (folder / name).write_text(text)
            store.actions.put(key, store.commit(folder), {"key": key, "action": made, "built": {}})
        moment = time.time() - days * DAY
        os.utime(store.actions.path(key), (moment, moment))
        return key

    return record


def put(store: Store, text: str) -> str:
    digest = sha256_of(text.encode())
    with store.temporary("put") as folder:
        (folder / "file").write_text(text)
        store.objects.put(folder / "file", digest)
    return digest


def run(
    store: Store,
    keys: Iterable[str] = (),
    digests: Iterable[str] = (),
    days: float = 14.0,
    max_bytes: int | None = None,
    is_dry_run: bool = False,
    declared: Callable[[Mapping[str, Any]], Iterable[str]] = lambda action: (),
    roots: Roots | None = None,
) -> Collection:
    found = roots or Roots({"installed": frozenset(keys)}, frozenset(digests))
    return collect(store, lambda: found, declared, Limits(days * DAY, max_bytes), is_dry_run, lambda line: None)


def holds(store: Store) -> tuple[set[str], set[str]]:
    """Keys with a record, contents of the objects."""
    keys = {path.name.split(".")[0] for path in store.root.glob("actions/*/*.json")}
    return keys, {path.read_text() for path in store.root.glob("objects/*/*")}


def snapshot(store: Store) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(store.root)): (path.stat().st_mtime_ns, path.stat().st_ino)
        for path in store.root.rglob("*")
        if path.name != COLLECTION_LOCK and path.is_file()
    }


def test_roots_and_young_ones_stay_and_what_others_share_with_them(store: Store, add: Add) -> None:
    live = add("a", {"x": "live", "y": "shared"}, knob=1)
    young = add("a", {"x": "young"}, days=13, knob=2)
    old = add("a", {"x": "old", "y": "shared", "z": "old too"}, days=15, knob=3)
    found = run(store, [live])
    assert holds(store) == ({live, young}, {"live", "shared", "young"})
    assert [row.key for row in found.removed] == [old]
    assert (found.objects, found.removed_bytes, found.freed_bytes) == (2, 10, 10)
    assert (found.kept_records, found.kept_bytes) == (2, 15)


def test_without_days_only_roots_stay(store: Store, add: Add) -> None:
    live, young = add("a", {"x": "live"}, knob=1), add("a", {"x": "young"}, days=0, knob=2)
    found = run(store, [live], days=0)
    assert holds(store) == ({live}, {"live"})
    assert [row.key for row in found.removed] == [young]


def test_a_dry_run_says_the_same_and_changes_nothing(store: Store, add: Add, tmp_path: Path) -> None:
    add("a", {"x": "old"}, knob=1)
    live = add("a", {"x": "live"}, knob=2)
    (store.scratch("9" * 64) / "checkpoint").write_text("state")
    (tmp_path / "gone").mkdir()
    register_workspace(store.root, tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    roots = Roots({"installed": frozenset([live])}, frozenset(), gone_workspaces=(tmp_path / "gone",))
    before = snapshot(store)
    said = run(store, days=0, roots=roots, is_dry_run=True)
    assert snapshot(store) == before
    done = run(store, days=0, roots=roots)
    for name in ("removed", "scratch_keys", "objects", "removed_bytes", "freed_bytes", "kept_bytes", "kept_records"):
        assert getattr(said, name) == getattr(done, name), name
    assert holds(store) == ({live}, {"live"})
    assert not (store.root / "scratch" / ("9" * 64)).exists()
    assert find_workspaces(store.root) == Workspaces((), ())


def test_alternatives_go_and_stay_with_their_key(store: Store, add: Add) -> None:
    for name in ("first", "second"):
        live, old = add("a", {"x": f"live {name}"}, knob=1), add("a", {"x": f"old {name}"}, knob=2)
    assert len(list(store.root.glob("actions/*/*.alternative.*"))) == 2
    run(store, [live])
    assert holds(store) == ({live}, {"live first", "live second"})
    assert len(list(store.root.glob("actions/*/*.json"))) == 2
    assert old != live


def test_digests_of_roots_stay_without_any_record(store: Store, add: Add) -> None:
    add("a", {"x": "installed without a record", "y": "other"}, knob=1)
    run(store, digests=[sha256_of(b"installed without a record")], days=0)
    assert holds(store) == (set(), {"installed without a record"})


def test_raw_files_stay_with_what_was_made_from_them(store: Store, add: Add) -> None:
    raw, other = put(store, "fetched"), put(store, "fetched for what goes")
    live, _ = add("raw", {"x": "inventory"}, fetched=raw), add("raw", {"x": "other"}, fetched=other)
    run(store, [live], declared=lambda action: [action["config"]["fetched"]])
    assert holds(store) == ({live}, {"inventory", "fetched"})


def test_an_object_on_its_way_stays_for_a_day(store: Store, add: Add, monkeypatch: pytest.MonkeyPatch) -> None:
    put(store, "fetched just now")
    run(store, days=0)
    assert holds(store)[1] == {"fetched just now"}
    later = time.time() + IN_FLIGHT_SECONDS + 1
    monkeypatch.setattr(collect_module.time, "time", lambda: later)
    run(store, days=0)
    assert holds(store)[1] == set()


def test_what_is_being_built_or_fetched_stays(store: Store, add: Add, monkeypatch: pytest.MonkeyPatch) -> None:
    key, raw = add("a", {"x": "being restored"}), put(store, "fetched")
    (store.scratch(key) / "checkpoint").write_text("state")
    later = time.time() + IN_FLIGHT_SECONDS + 1
    monkeypatch.setattr(collect_module.time, "time", lambda: later)
    with (
        lease(store.leases, key, 1.0, lambda line: None),
        lease(store.leases, f"fetch-{raw}", 1.0, lambda line: None),
    ):
        found = run(store, days=0)
        assert found.roots.keys["being built"] == {key}
        assert holds(store) == ({key}, {"being restored", "fetched"})
        assert (store.root / "scratch" / key / "checkpoint").exists()
    run(store, days=0)
    assert holds(store) == (set(), set())
    assert not (store.root / "scratch" / key).exists()


def test_a_lease_of_a_dead_process_keeps_nothing(store: Store, add: Add) -> None:
    key = add("a", {"x": "text"})
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom domainlm.store.lease import lease\n"
        f"with lease(Path({str(store.leases)!r}), {key!r}, 1.0, print): os._exit(1)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    assert (store.leases / f"{key}.json").exists()
    run(store, days=0)
    assert holds(store) == (set(), set())


def test_checkpoints_of_what_a_workspace_asks_for_stay_whatever_their_age(
    store: Store, add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, built, forgotten = "1" * 64, add("a", {"x": "text"}), "2" * 64
    for key in (wanted, built, forgotten):
        (store.scratch(key) / "checkpoint").write_text("state")
    found = run(store, [wanted, built], days=1)
    assert found.scratch_keys == []
    later = time.time() + 2 * DAY
    monkeypatch.setattr(collect_module.time, "time", lambda: later)
    found = run(store, [wanted, built], days=1)
    # a key that has its record needs no checkpoints
    assert set(found.scratch_keys) == {built, forgotten}
    assert [path.name for path in (store.root / "scratch").iterdir()] == [wanted]


def test_freed_bytes_are_those_without_a_link_elsewhere(store: Store, add: Add, tmp_path: Path) -> None:
    add("a", {"x": "held", "y": "free!"})
    os.link(store.objects.path(sha256_of(b"held")), tmp_path / "installed")
    found = run(store)
    assert (found.removed_bytes, found.freed_bytes, found.held_bytes) == (9, 5, 4)
    assert (tmp_path / "installed").read_text() == "held"


def test_what_records_share_is_counted_once(store: Store, add: Add) -> None:
    add("a", {"x": "shared", "y": "1"}, days=50, knob=1)
    add("a", {"x": "shared", "y": "22"}, days=40, knob=2)
    found = run(store)
    assert [row.size for row in found.removed] == [7, 2]
    assert found.removed_bytes == 9


def test_a_limit_takes_the_least_recently_used_first_and_no_root(store: Store, add: Add) -> None:
    root = add("a", {"x": "r" * 10, "y": "s" * 10}, days=9, knob=0)
    oldest = add("a", {"x": "o" * 30, "y": "s" * 10}, days=3, knob=1)
    middle = add("a", {"x": "m" * 20}, days=2, knob=2)
    newest = add("a", {"x": "n" * 10}, days=1, knob=3)
    assert run(store, [root], max_bytes=80, is_dry_run=True).removed == []
    found = run(store, [root], max_bytes=50)
    assert [row.key for row in found.removed] == [oldest]
    assert (found.kept_bytes, found.is_within_limit) == (50, True)
    found = run(store, [root], max_bytes=49)
    assert [row.key for row in found.removed] == [middle]
    assert holds(store)[0] == {root, newest}
    found = run(store, [root], max_bytes=5)
    assert holds(store) == ({root}, {"r" * 10, "s" * 10})
    assert (found.kept_bytes, found.is_within_limit) == (20, False)


def test_costs_come_from_the_key_s_own_build_else_from_the_artifact_s(store: Store, add: Add) -> None:
    own, other, unknown = (
        add("a_shard", {"x": "1"}, days=3),
        add("a_shard", {"x": "2"}, days=2, k=1),
        add("b", {"x": "3"}),
    )
    row = {"artifact": "a", "shard": "0000", "domain": "tiny", "outcome": "built"}
    for key, seconds in ((own, 5.0), ("0" * 64, 7.0), ("1" * 64, 100.0)):
        store.append_history({**row, "key": key, "seconds": seconds})
    found = {entry.key: entry for entry in run(store, days=0).removed}
    assert [found[key].seconds for key in (own, other, unknown)] == [5.0, 7.0, None]
    assert [found[key].domain for key in (own, other)] == ["tiny", None]
    assert [(found[key].artifact, found[key].is_shard) for key in (own, unknown)] == [("a", True), ("b", False)]
    assert len(list((store.root / "history").iterdir())) == 3


def test_notes_of_trees_and_code_go_when_no_record_names_them(store: Store, add: Add) -> None:
    live, old = add("a", {"x": "live"}, knob=1), add("a", {"x": "old"}, knob=2)
    trees = {key: store.actions.get(key)[0].tree_digest for key in (live, old)}  # type: ignore[index]
    files = {key: store.root / "trees" / trees[key][:2] / f"{trees[key]}.json" for key in (live, old)}
    code = {digest: store.root / "code" / digest[:2] / f"{digest * 64}.json" for digest in "cde"}
    for path in code.values():
        path.parent.mkdir(parents=True)
        path.write_text("{}")
    for path in [files[live], files[old], code["c"], code["d"]]:
        os.utime(path, (0, 0))
    run(store, [live])
    assert [files[live].exists(), files[old].exists()] == [True, False]
    # named by the record; by nothing; by nothing, but new
    assert [code[digest].exists() for digest in "cde"] == [True, False, True]


def test_quarantine_and_what_killed_processes_left_go(store: Store, add: Add, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = put(store, "text")
    store.objects.quarantine(digest)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with store.temporary("mine") as mine:
        host = mine.name.split(".", 1)[1].rsplit(".", 2)[0]
        (store.root / "tmp" / f"dead.{host}.{ended.pid}.1").mkdir()
        elsewhere = store.root / "tmp" / "other.elsewhere.1.1"
        elsewhere.mkdir()
        run(store, days=1)
        assert len(list((store.root / "quarantine").iterdir())) == 1
        assert {path.name for path in (store.root / "tmp").iterdir()} == {mine.name, elsewhere.name}
    later = time.time() + 2 * DAY
    monkeypatch.setattr(collect_module.time, "time", lambda: later)
    found = run(store, days=1)
    assert list((store.root / "quarantine").iterdir()) == []
    assert list((store.root / "tmp").iterdir()) == []
    assert found.removed_bytes == 4


def test_a_torn_record_is_no_reason_to_stop(store: Store, add: Add) -> None:
    live, torn = add("a", {"x": "live"}, knob=1), add("a", {"x": "torn"}, knob=2)
    store.actions.path(torn).write_bytes(b'{"manifest": {"fi')
    run(store, [live], days=0)
    keys, texts = holds(store)
    assert keys == {live}
    # no record names it any more; it counts as on its way for a day
    assert texts == {"live", "torn"}


def test_a_kill_at_any_removal_leaves_a_sound_store(
    store: Store, add: Add, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = add("a", {"x": "live", "y": "shared"}, knob=0)
    unlink = Path.unlink

    class Killed(BaseException):
        pass

    # two records and their two objects
    for kill_after in range(4):
        for knob in (1, 2):
            add("a", {"x": f"old {knob}", "y": "shared"}, knob=knob)
        left = iter(range(kill_after))

        def mortal(path: Path, missing_ok: bool = False, left: Any = left) -> None:
            if next(left, None) is None:
                raise Killed
            unlink(path, missing_ok=missing_ok)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", mortal)
            with pytest.raises(Killed):
                run(store, [live], days=0)
        for path in store.root.glob("actions/*/*.json"):
            record = json.loads(path.read_bytes())
            assert all(store.objects.path(entry["sha256"]).exists() for entry in record["manifest"]["files"])
    run(store, [live], days=0)
    assert holds(store)[0] == {live}


def test_builders_wait_for_a_collection_and_it_waits_for_them(store: Store, add: Add) -> None:
    add("a", {"x": "text"})
    code = (
        "import sys\nfrom pathlib import Path\nfrom domainlm.store.collect import Limits, Roots, collect\n"
        "from domainlm.store.local import Store\n"
        f"collect(Store(Path({str(store.root)!r})), lambda: Roots({{}}, frozenset()), lambda action: (), "
        "Limits(0.0), False, lambda line: print(line, flush=True))\n"
    )
    with store.guard():
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline().startswith("waiting for builds")
        assert len(holds(store)[0]) == 1
    assert process.wait(20) == 0
    process.stdout.close()
    assert holds(store) == (set(), set())

    def while_roots_are_found() -> Roots:
        with (store.root / COLLECTION_LOCK).open() as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return NOTHING

    collect(store, while_roots_are_found, lambda action: (), Limits(0.0), False, lambda line: None)


def test_who_ends_while_roots_are_found_is_a_root(store: Store, add: Add) -> None:
    key = add("a", {"x": "text"})
    held = lease(store.leases, key, 1.0, lambda line: None)
    held.__enter__()

    def while_roots_are_found() -> Roots:
        # installed and released after the installed ones were read
        held.__exit__(None, None, None)
        return NOTHING

    collect(store, while_roots_are_found, lambda action: (), Limits(0.0), False, lambda line: None)
    assert holds(store) == ({key}, {"text"})


def test_a_store_that_is_not_there_is_not_made(store: Store) -> None:
    found = run(store)
    assert (found.removed, found.kept_bytes) == ([], 0)
    assert not store.root.exists()
