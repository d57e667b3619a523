"""The price of a big store: a run with nothing to do, hashing, and what a hit costs.

In: sizes. Out: Markdown tables. In a temporary folder: a copy of this repository, a domain of many shards (three sharded
artifacts, so 667 shards are 2,001 shard jobs and three that gather), raw files, and objects that nothing refers to, as in a
store of long use. Everything is built in one process, because 2,000 processes take a quarter of an hour, and
`snakemake --touch` then writes the records that Snakemake keeps of its own jobs. CPU seconds (of all processes of a run) stand
beside the wall clock, so that a busy machine shows.

    python benchmarks/store/scale.py
"""

from __future__ import annotations

import argparse
import cProfile
import hashlib
import json
import os
import pstats
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import checkout
from checkout import Cost, copy_repository, environment_of

SHARDED = ("raw_corpus", "documents", "clean_shards")
TARGET = "clean_shards"
DOMAIN = "scale"
CONFIG = """\
sources:
  scale_corpus: {{role: corpus, local: data/scale/corpus, licence: CC0-1.0}}
  scale_model: {{role: base_model, local: data/scale/model, licence: CC0-1.0}}
  wikipedia: null
  scikit_learn_docs: null
  style: null
raw_corpus: {{shards: {shards}}}
corpus_split: {{replay_share: 0.0}}
"""
MEBIBYTE = 1 << 20
RUN = ("snakemake", "--cores", "all", TARGET, "--config", f"domain={DOMAIN}")


def main() -> None:
    parser = argparse.ArgumentParser(description="No-op, hashing and hits at scale")
    parser.add_argument("--shards", type=int, default=667)
    parser.add_argument("--raw-files", type=int, default=10_000)
    parser.add_argument("--objects", type=int, default=100_000)
    parser.add_argument("--large-mebibytes", type=int, default=2048, help="the large artifact, and what is hashed")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="make the project here and keep it; one that is here is used again")
    parser.add_argument("--inside", choices=STEPS, help="one step in the copy (used internally)")
    options = parser.parse_args()
    if options.inside:
        STEPS[options.inside]()
        return
    root = options.folder or Path(tempfile.mkdtemp(prefix="store-scale-"))
    try:
        if not (root / "Snakefile").exists():
            make_project(root, options.shards, options.raw_files)
            say(f"built in one process: {seconds_of(inside(root, 'build'))}")
            say(f"snakemake --touch: {seconds_of(inside(root, 'touch'))}")
            fill_store(root, options.objects)
        report(root, options)
    finally:
        if options.folder is None:
            shutil.rmtree(root)


def report(root: Path, options: argparse.Namespace) -> None:
    objects = sum(len(files) for _, _, files in os.walk(store_of(root) / "objects"))
    jobs = sum(1 for artifact in SHARDED for _ in (root / "artifacts" / DOMAIN / artifact).glob("*/manifest.json"))
    print(
        f"\n{jobs} shard jobs, {options.raw_files} raw files, {objects} objects in the store, {os.cpu_count()} cores\n"
    )
    rows = {
        "nothing to do: `snakemake --cores all`": [run(root, *RUN) for _ in range(options.rounds)],
        "nothing to do: `snakemake -n`": [run(root, *RUN, "-n") for _ in range(options.rounds)],
        "of it, this project: `prepare`": [inside(root, "prepare") for _ in range(options.rounds)],
        "of it, this project's imports": [run(root, sys.executable, "-c", "import domainlm.workflow.prepare")],
        "of it, `snakemake --version`": [run(root, "snakemake", "--version")],
    }
    print(table(rows))
    print(f"\nread in `prepare`: {json.loads((root / 'prepare.json').read_text())}\n")
    print(table(hits(root, options.rounds, options.large_mebibytes)))
    print()
    print(hashing(root, options.large_mebibytes))
    inside(root, "profile")
    print((root / "profile.txt").read_text())


def table(rows: dict[str, list[Cost]]) -> str:
    lines = ["| | seconds, median | range | CPU seconds, median |", "|---|---|---|---|"]
    for name, costs in rows.items():
        seconds = [cost.seconds for cost in costs]
        middle, cpu = statistics.median(seconds), statistics.median(cost.cpu_seconds for cost in costs)
        lines.append(f"| {name} | {middle:.2f} | {min(seconds):.2f} to {max(seconds):.2f} | {cpu:.2f} |")
    return "\n".join(lines)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def seconds_of(cost: Cost) -> str:
    return f"{cost.seconds:.1f} s, {cost.cpu_seconds:.1f} s of CPU"


# --- the project ---


def make_project(root: Path, shards: int, raw_files: int, source: Path = checkout.REPOSITORY) -> None:
    copy_repository(root, source)
    (root / "config/domains").mkdir(exist_ok=True)
    (root / f"config/domains/{DOMAIN}.yaml").write_text(CONFIG.format(shards=shards), encoding="utf-8")
    write_raw_files(root / "data/scale/corpus", raw_files)
    (root / "data/scale/model").mkdir()
    (root / "data/scale/model/config.json").write_text("{}", encoding="utf-8")


def write_raw_files(folder: Path, count: int) -> None:
    """Small texts, all different, in folders of a hundred."""
    for number in range(count):
        path = folder / f"{number // 100:04d}" / f"{number:06d}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(raw_text(number), encoding="utf-8")


def raw_text(number: int) -> str:
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    words = "".join(chr(ord("a") + int(digit, 16)) if digit != "0" else " " for digit in digest)
    return f"A small text about {words}, one of very many that a domain may be made from.\n"


def fill_store(root: Path, count: int) -> None:
    """Objects that nothing refers to, until there are `count`."""
    from domainlm.store.objects import Objects, expected_mtime_ns

    objects = Objects(store_of(root))
    have = sum(len(files) for _, _, files in os.walk(objects.root / "objects"))
    for number in range(count - have):
        data = f"object {number}\n".encode()
        sha256 = hashlib.sha256(data).hexdigest()
        path = objects.path(sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(0o444)
        os.utime(path, ns=(expected_mtime_ns(sha256),) * 2)


def store_of(root: Path) -> Path:
    from domainlm.store.location import store_folder

    return store_folder(root, environment_of(root))


# --- running ---


def run(root: Path, *command: str) -> Cost:
    return checkout.run(root, *command)[0]


def inside(root: Path, step: str) -> Cost:
    return run(root, sys.executable, "benchmarks/store/scale.py", "--inside", step)


def build_inside() -> None:
    """Build what the target needs, in the order of the pipeline."""
    from domainlm.builder.history import recorded_build
    from domainlm.contract import Resources
    from domainlm.workflow.prepare import prepare

    quiet = Resources(log=lambda _: None)
    for (artifact, _), stamp in prepare({"domain": DOMAIN}, targets=[TARGET]).stamps.items():
        if artifact in SHARDED:
            recorded_build(Path.cwd(), stamp, quiet)


def touch_inside() -> None:
    """Let Snakemake note every job as done by itself, without the 0.1 s that it waits after each."""
    from snakemake.cli import main as snakemake
    from snakemake.executors.touch import Executor

    Executor.SLEEPING_TIME = 0
    snakemake([*RUN[1:], "--touch", "--forceall"])


def prepare_inside() -> None:
    """Resolve as a run does; note the bytes that were hashed and read."""
    from domainlm.workflow import prepare as workflow

    hashed = count_hashed()
    before = read_bytes()
    workflow.prepare({"domain": DOMAIN}, targets=[TARGET])
    counted = {"bytes of files hashed": sum(hashed), "bytes read": read_bytes() - before}
    Path("prepare.json").write_text(json.dumps(counted), encoding="utf-8")


def count_hashed() -> list[int]:
    """A list that grows by the size of every file that is hashed."""
    hashed: list[int] = []
    file_digest: Callable[..., Any] = hashlib.file_digest

    def counting(file: Any, name: Any, **more: Any) -> Any:
        hashed.append(os.fstat(file.fileno()).st_size)
        return file_digest(file, name, **more)

    setattr(hashlib, "file_digest", counting)  # noqa: B010
    return hashed


def read_bytes() -> int:
    rows = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return int(rows[0].removeprefix("rchar: "))


def profile_inside() -> None:
    from domainlm.workflow import prepare as workflow

    profiler = cProfile.Profile()
    profiler.runcall(workflow.prepare, {"domain": DOMAIN}, targets=[TARGET])
    with Path("profile.txt").open("w", encoding="utf-8") as file:
        pstats.Stats(profiler, stream=file).sort_stats("cumulative").print_stats("domainlm", 25)


STEPS = {"build": build_inside, "touch": touch_inside, "prepare": prepare_inside, "profile": profile_inside}

# --- hits ---


def hits(root: Path, rounds: int, mebibytes: int) -> dict[str, list[Cost]]:
    """Installing from the store what is not in the workspace: the build command as a rule runs it."""
    small, large = [], []
    folder = root / "artifacts" / DOMAIN
    store_large(root, mebibytes)
    for _ in range(rounds):
        shutil.rmtree(folder / "documents/0000")
        small.append(build_command(root, "documents", "0000"))
        shutil.rmtree(folder / "base_model", ignore_errors=True)
        large.append(build_command(root, "base_model", None))
    rows = [json.loads(line) for line in (root / ".domainlm/builds.jsonl").read_text().splitlines()[-2 * rounds :]]
    if {row["outcome"] for row in rows} != {"restored"}:
        raise SystemExit(f"not hits: {rows}")
    links = (folder / "base_model/model.safetensors").stat().st_nlink
    shutil.rmtree(folder / "base_model")
    if links < 2:
        raise SystemExit("the large artifact was copied, not linked")
    return {"hit, small artifact": small, f"hit, {mebibytes} MiB, linked ({links} names of one file)": large}


def build_command(root: Path, artifact: str, shard: str | None) -> Cost:
    stamp = f".domainlm/stamps/{DOMAIN}/{artifact}{f'.{shard}' if shard else ''}.json"
    command = [sys.executable, "-m", "domainlm", "build", "--domain", DOMAIN, "--threads", "1", "--log", "logs/hit.log"]
    return run(root, *command, "--stamp", stamp, artifact, *(["--shard", shard] if shard else []))


def store_large(root: Path, mebibytes: int) -> None:
    """Record a model of this size as the output of base_model's key."""
    from domainlm.pipeline.stamp import action_of, read_stamp
    from domainlm.store.actions import action_key
    from domainlm.store.local import Store

    store = Store(store_of(root))
    action = action_of(read_stamp(root / f".domainlm/stamps/{DOMAIN}/base_model.json"), {})
    key = action_key(action)
    if store.actions.get(key) is None:
        with store.temporary("large") as out:
            write_large(out / "model.safetensors", mebibytes)
            store.actions.put(key, store.commit(out), {"action": action, "key": key})


def write_large(path: Path, mebibytes: int) -> None:
    block = os.urandom(MEBIBYTE)
    with path.open("wb") as file:
        for number in range(mebibytes):
            file.write(number.to_bytes(8, "little") + block[8:])


# --- hashing ---


def hashing(root: Path, mebibytes: int) -> str:
    """First look at raw files of this size altogether, and the second look."""
    from domainlm.config.sources import Source
    from domainlm.sources.index import LocalIndex
    from domainlm.sources.rows import local_rows
    from domainlm.store.canonical import sha256_of_file

    folder = root / "data/scale/large"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for number in range(16):
        write_large(folder / f"{number}.bin", max(1, mebibytes // 16))
    # younger files are hashed again at the next look, as their next write could leave the time as it is
    time.sleep(2.1)
    source = Source(role="corpus", local="data/scale/large", format="txt")
    files = sorted(folder.iterdir())
    size = sum(file.stat().st_size for file in files)
    index = LocalIndex(root / "data/scale/large-index")

    def look() -> None:
        list(local_rows(root, "large", source, index, 1 << 62))

    lines = ["| hashing | MB/s |", "|---|---|"]
    once = timed(lambda: [sha256_of_file(file) for file in files])
    lines.append(f"| one thread, file by file (page cache) | {size / once / 1e6:.0f} |")
    lines.append(f"| a source's first look, all cores | {size / timed(look) / 1e6:.0f} |")
    hashed = count_hashed()
    seconds = timed(look)
    lines.append(f"| a source's second look | {seconds * 1000:.1f} ms, {sum(hashed)} bytes hashed |")
    shutil.rmtree(folder)
    return "\n".join(lines)


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
