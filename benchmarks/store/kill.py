"""Kills at random instants: `python benchmarks/store/kill.py [KILLS] [SEED]`.

Several processes at once build, restore, push to a folder remote and collect, in two workspaces that share one store and
want different configurations. At random instants all of them are stopped, one or more are killed (SIGKILL), and
everything on the disk is looked at as it lies there: a manifest without its files, an object that is not what its name
says, a record that does not parse or says something else than an undisturbed build, is a failure. At the end `verify` and
the plain builds must give what an undisturbed store gives. The stages are the real ones that need no model.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import domainlm.stages.clean_shards
import domainlm.stages.documents
import domainlm.stages.raw_corpus
from domainlm.builder import one_build
from domainlm.builder.history import recorded_build
from domainlm.builder.workspace import installing
from domainlm.contract import Resources, StageError
from domainlm.pipeline.places import BUILDS_FILE
from domainlm.pipeline.stamp import Stamp
from domainlm.store import late_files, remote_location
from domainlm.store.actions import action_key, make_action
from domainlm.store.install import install
from domainlm.store.lease import lease
from domainlm.store.local import Store
from domainlm.store.manifest import MANIFEST_NAME, Entry, Manifest, make_manifest, parse_manifest
from domainlm.upkeep import push_pull as transfer
from domainlm.upkeep import verify
from domainlm.upkeep.gc import collect_garbage
from domainlm.workflow.prepare import prepare

PROJECT = Path(__file__).resolve().parents[2]
CONFIG = """\
domain: tiny
sources:
  x: {role: corpus, local: corpus}
  m: {role: base_model, local: model}
raw_corpus: {shards: 2}
corpus_split: {replay_share: 0.0}
"""
LICENCES = ("CC0-1.0", "MIT", "CC-BY-4.0")
ARTIFACTS = ("raw_corpus", "documents", "clean_shards")
WORKERS = 4
NAMES = ("one", "two", "shared")
# what two configurations that want one folder may tell each other; alone, none of it happens
EXPECTED = ("changed while", "is not built", "run the same command again", "is not built here", "is not a manifest")
LOADED = (domainlm.stages.clean_shards, domainlm.stages.documents, domainlm.stages.raw_corpus)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def silent(_: str) -> None:
    return None


@dataclass
class World:
    """Two workspaces, a store, a remote, and what undisturbed builds gave."""

    root: Path
    # licence -> stamps in the order of building
    stamps: dict[str, list[Stamp]] = field(default_factory=dict)
    # licence -> folder -> manifest
    wanted: dict[str, dict[str, bytes]] = field(default_factory=dict)
    # action key -> manifest
    keys: dict[str, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def store(self) -> Path:
        return self.root / "store"

    @property
    def remote(self) -> Path:
        return self.root / "remote"

    def project(self, name: str) -> Path:
        return self.root / name


def make_project(root: Path) -> None:
    words = random.Random(1)
    for number in range(12):
        # of many words, so that compressed files are large and take a while to write
        text = " ".join("".join(words.choices("abcdefghijklmnopqrstuvwxyz", k=6)) for _ in range(6000))
        (root / "corpus").mkdir(parents=True, exist_ok=True)
        (root / "corpus" / f"{number}.txt").write_text(f"{number} {text}.\n", encoding="utf-8")
    (root / "model").mkdir()
    (root / "model" / "config.json").write_text("{}", encoding="utf-8")
    (root / "config").mkdir()
    (root / "config" / "config.yaml").write_text(CONFIG, encoding="utf-8")
    (root / "envs").symlink_to(PROJECT / "envs")


def make_world(root: Path) -> World:
    """Projects, and the digests of builds that nothing disturbs."""
    world = World(root)
    for name in ("a", "b", "calm", "clone"):
        make_project(world.project(name))
    for licence in LICENCES:
        found = prepare({"sources": {"x": {"licence": licence}}}, world.project("calm")).stamps
        for name in ("a", "b", "clone"):
            prepare({"sources": {"x": {"licence": licence}}}, world.project(name))
        world.stamps[licence] = [found[name, shard] for name in ARTIFACTS for shard in ("0000", "0001", None)]
    os.environ["DOMAINLM_STORE"] = str(root / "calm-store")
    for licence in LICENCES:
        # in a process of its own: a fork of one that started threads is no fair start for the others
        report = in_process(lambda licence=licence: build_all(world, "calm", licence))
        world.wanted[licence] = {folder: bytes.fromhex(data) for folder, data in report["manifests"].items()}
        world.keys |= {key: bytes.fromhex(data).decode() for key, data in report["keys"].items()}
    os.environ["DOMAINLM_STORE"] = str(world.store)
    return world


def build_all(world: World, name: str, licence: str) -> dict[str, Any]:
    """Every artifact of one configuration, in order; what is installed then, and by which key."""
    project, manifests, keys, outcomes = world.project(name), {}, {}, Counter[str]()
    for stamp in world.stamps[licence]:
        outcome = recorded_build(project, stamp, Resources(log=silent))
        outcomes[outcome.outcome] += 1
        data = (project / stamp.folder / MANIFEST_NAME).read_bytes()
        manifests[stamp.folder], keys[outcome.key] = data.hex(), data.hex()
    return {"manifests": manifests, "keys": keys, "outcomes": dict(outcomes)}


def in_process(do: Callable[[], Any]) -> Any:
    """Result of a function that runs in a fork."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(reader)
            with os.fdopen(writer, "w") as file:
                json.dump(do(), file)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader) as file:
        text = file.read()
    _, status = os.waitpid(pid, 0)
    if status:
        raise SystemExit("a build that nothing disturbs failed")
    return json.loads(text)


def work_build(world: World, chooser: random.Random) -> None:
    project = world.project(chooser.choice("ab"))
    for stamp in world.stamps[chooser.choice(LICENCES)]:
        recorded_build(project, stamp, Resources(log=silent))


@cache
def large_files(seed: int) -> dict[str, bytes]:
    """What the artifact `large` of a seed holds; one file is the same for several seeds."""
    return {
        f"{name}.bin": random.Random(f"{name}{seed % 3 if name == 'shared' else seed}").randbytes(300_000)
        for name in NAMES
    }


def work_store(world: World, chooser: random.Random) -> None:
    """The store's own way without a stage, so that most of the time goes into moving large files in and linking them."""
    store, project, seed = Store(world.store), world.project(chooser.choice("ab")), chooser.randrange(12)
    action = make_action("large", "0" * 64, {"seed": seed}, {}, {})
    key = action_key(action)
    record = {"key": key, "action": action, "built": {}}
    with lease(store.leases, key, 60.0, silent):
        if store.actions.get(key) is None:
            with store.temporary(key[:16]) as out:
                for name, data in large_files(seed).items():
                    (out / name).write_bytes(data)
                with store.guard():
                    store.actions.put(key, store.commit(out), record)
        with store.guard(), installing(project):
            hit = store.actions.get(key)
            if hit is not None:
                install(project / "artifacts" / "large" / f"large_{seed % 4}", *hit, store.objects)


def work_install(world: World, chooser: random.Random) -> None:
    """Take one artifact away and have it restored."""
    project, stamps = world.project(chooser.choice("ab")), world.stamps[chooser.choice(LICENCES)]
    stamp = chooser.choice(stamps)
    with installing(project):
        for path in sorted((project / stamp.folder).rglob(MANIFEST_NAME)):
            path.unlink()
        whole = (project / stamp.folder).parent / MANIFEST_NAME
        whole.unlink(missing_ok=True)
        shutil.rmtree(project / stamp.folder, ignore_errors=True)
    for each in stamps[: stamps.index(stamp) + 1]:
        recorded_build(project, each, Resources(log=silent))


def work_push(world: World, chooser: random.Random) -> None:
    os.environ[remote_location.REMOTE_VARIABLE] = str(world.remote)
    transfer.push(world.project(chooser.choice("ab")), "tiny", [], silent)


def work_collect(world: World, chooser: random.Random) -> None:
    collect_garbage(world.project(chooser.choice("ab")), 0.0, None, False, silent)


KINDS: dict[str, Callable[[World, random.Random], None]] = {
    "build": work_build,
    "store": work_store,
    "install": work_install,
    "push": work_push,
    "collect": work_collect,
}


def start(world: World, kind: str, seed: int) -> int:
    """Fork a worker that repeats one kind of work until it is killed; an unexpected error ends it, written down."""
    pid = os.fork()
    if pid:
        return pid
    try:
        chooser = random.Random(seed)
        while True:
            try:
                KINDS[kind](world, chooser)
            except StageError as error:
                if not any(words in str(error) for words in EXPECTED):
                    raise
            # a collection that runs all the time would leave nothing to the others
            time.sleep(0.3 if kind == "collect" else 0.01)
    except BaseException:
        (world.root / f"failure.{kind}.{os.getpid()}").write_text(traceback.format_exc(), encoding="utf-8")
    finally:
        os._exit(1)


def is_right(world: World, key: str, manifest: Manifest, action: dict[str, Any]) -> bool:
    """Whether a key's manifest is the undisturbed one; a whole of two configurations' shards must hold just those shards."""
    if action["artifact"] == "large":
        files = large_files(action["config"]["seed"])
        return {(e.path, e.sha256) for e in manifest.entries} == {
            (name, hashlib.sha256(data).hexdigest()) for name, data in files.items()
        }
    inputs = action["inputs"]
    if key in world.keys:
        return manifest.to_bytes().decode() == world.keys[key]
    shards = {
        shard: make_manifest(
            Entry(entry.path.removeprefix(f"{shard}/"), entry.sha256, entry.size)
            for entry in manifest.entries
            if entry.path.startswith(f"{shard}/")
        )
        for shard in inputs
    }
    return set(inputs) == {"0000", "0001"} and {name: m.tree_digest for name, m in shards.items()} == inputs


def wrong_files(world: World) -> list[str]:
    """What must not be on the disk at any instant."""
    wrong = []
    for root in (world.store, world.remote):
        found = {}
        for path in root.glob("objects/*/*"):
            if root == world.remote and path.name.endswith(".part"):
                continue
            found[path.parent.name + path.name] = sha256(path)
        wrong += [f"{root.name}: object {name} has {digest}" for name, digest in found.items() if name != digest]
        for path in root.glob("actions/*/*"):
            if root == world.remote and path.name.endswith(".part"):
                continue
            try:
                record = json.loads(path.read_bytes())
                manifest = parse_manifest(json.dumps(record["manifest"]).encode())
            except (ValueError, KeyError, TypeError) as error:
                wrong.append(f"{root.name}: {path.name}: {error}")
                continue
            if not is_right(world, path.stem, manifest, record["action_record"]["action"]):
                wrong.append(f"{root.name}: {path.name} is not what an undisturbed build gives")
            wrong += [
                f"{root.name}: {path.name} names {entry.path}, which is not there"
                for entry in manifest.entries
                if entry.sha256 not in found
            ]
    for name in ("a", "b"):
        for path in (world.project(name) / "artifacts").rglob(MANIFEST_NAME):
            manifest = parse_manifest(path.read_bytes())
            for entry in manifest.entries:
                file = path.parent / entry.path
                if not file.is_file() or sha256(file) != entry.sha256:
                    wrong.append(f"{path}: {entry.path} {'differs' if file.exists() else 'is not there'}")
    return wrong


def disturb(world: World, kills: int, chooser: random.Random) -> None:
    """`kills` kills; raises SystemExit at the first wrong thing."""
    running: dict[int, str] = {}
    done = 0
    try:
        while done < kills:
            while len(running) < WORKERS:
                kind = chooser.choices(list(KINDS), weights=(4, 3, 3, 2, 2))[0]
                running[start(world, kind, chooser.getrandbits(32))] = kind
            time.sleep(chooser.uniform(0.01, 0.25))
            for pid in running:
                os.kill(pid, signal.SIGSTOP)
            for pid in list(running):
                _, status = os.waitpid(pid, os.WUNTRACED)
                if not os.WIFSTOPPED(status):
                    raise SystemExit(f"a worker ended by itself ({running.pop(pid)}):\n{failures(world)}")
            victims = list(running) if chooser.random() < 0.15 else [chooser.choice(list(running))]
            for pid in victims[: kills - done]:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                world.counts[running.pop(pid)] += 1
                done += 1
            wrong = wrong_files(world)
            if wrong:
                raise SystemExit(f"after {done} kills:\n" + "\n".join(wrong))
            for pid in running:
                os.kill(pid, signal.SIGCONT)
    finally:
        for pid in running:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def failures(world: World) -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(world.root.glob("failure.*")))


def outcomes_so_far(world: World) -> dict[str, int]:
    """How the builds that came to an end in the two workspaces ended."""
    found: Counter[str] = Counter()
    for name in ("a", "b"):
        path = world.project(name) / BUILDS_FILE
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        found.update(json.loads(line)["outcome"] for line in lines)
    return dict(found)


def settle(world: World) -> dict[str, Any]:
    """Plain builds after it all: their digests, and whether `verify` finds the store clean."""
    outcomes: Counter[str] = Counter()
    for name in ("a", "b"):
        for licence in LICENCES:
            report = in_process(lambda name=name, licence=licence: build_all(world, name, licence))
            outcomes.update(report["outcomes"])
            got = {folder: bytes.fromhex(data) for folder, data in report["manifests"].items()}
            if got != world.wanted[licence]:
                raise SystemExit(f"{name}, {licence}: digests differ from the undisturbed ones")
    report = in_process(lambda: verify.verify(world.project("a"), "tiny", None, 2, True, silent_progress).as_json())
    if not report["is_sound"]:
        raise SystemExit(f"verify: {json.dumps(report, indent=1)}")
    os.environ[remote_location.REMOTE_VARIABLE] = str(world.remote)
    in_process(lambda: transfer.push(world.project("a"), "tiny", [], silent).as_json())
    os.environ["DOMAINLM_STORE"] = str(world.root / "clone-store")
    fetched = in_process(lambda: build_all(world, "clone", LICENCES[-1]))
    if set(fetched["outcomes"]) != {"fetched"}:
        raise SystemExit(f"a fresh clone with the remote: {fetched['outcomes']}")
    if {folder: bytes.fromhex(data) for folder, data in fetched["manifests"].items()} != world.wanted[LICENCES[-1]]:
        raise SystemExit("what a fresh clone fetched differs")
    wrong = wrong_files(world)
    if wrong:
        raise SystemExit("\n".join(wrong))
    left = [path.name for path in (world.store / "tmp").iterdir()]
    if left:
        raise SystemExit(f"left in tmp/: {left}")
    return {"outcomes": dict(outcomes), "verified_files": report["files"]}


def silent_progress(*_: Any) -> None:
    return None


def main() -> None:
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
    # an input that another configuration takes away is not waited for here
    late_files.LATE_SECONDS = one_build.LATE_SECONDS = 0.05
    began = time.monotonic()
    root = Path(tempfile.mkdtemp(prefix="kill-store-"))
    try:
        world = make_world(root)
        disturb(world, kills, random.Random(seed))
        meanwhile = outcomes_so_far(world)
        settled = settle(world)
    except SystemExit:
        print(f"seed {seed}; the folders are kept for a look: {root}", file=sys.stderr)
        raise
    shutil.rmtree(root)
    summary = {
        "kills": dict(sorted(world.counts.items())),
        "total": sum(world.counts.values()),
        "seed": seed,
        "meanwhile": meanwhile,
        "seconds": round(time.monotonic() - began, 1),
        **settled,
    }
    print(json.dumps(summary, sort_keys=True))
    print("verify is clean, every digest is the undisturbed one")


if __name__ == "__main__":
    main()
