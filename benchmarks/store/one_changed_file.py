"""One file of many changed: which jobs start, what `plan` said before, what `builds.jsonl` says after.

In: numbers of files and shards. Out: Markdown tables. In a temporary folder: a copy of this repository and a domain of so many
small texts. It is built up to unique_shards by Snakemake, one file is changed, `domainlm plan` is asked, and it is built
again. Fails where a job of a sharded artifact starts that is not of the file's shard, or where the plan and the build differ.

    python benchmarks/store/one_changed_file.py
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import checkout
from scale import DOMAIN, make_project

from domainlm.raw.segments import shard_of

TARGET = "unique_shards"
SHARDED = ("raw_corpus", "documents", "clean_shards")
SOURCE = f"{DOMAIN}_corpus"


def main() -> None:
    parser = argparse.ArgumentParser(description="One file of many changed")
    parser.add_argument("--raw-files", type=int, default=10_000)
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--cores", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="domainlm-one-") as folder:
        root = Path(folder)
        make_project(root, options.shards, options.raw_files)
        seconds, built = run(root, options.cores)
        print(f"{options.raw_files} files, {options.shards} shards, {os.cpu_count()} cores\n")
        print(f"first build: {seconds:.0f} s, {len(built)} builds: {dict(Counter(row['outcome'] for row in built))}")
        number = options.raw_files // 2
        path = f"{number // 100:04d}/{number:06d}.txt"
        file = root / f"data/scale/corpus/{path}"
        file.write_text(file.read_text(encoding="utf-8").replace("small", "changed"), encoding="utf-8")
        _, plan = checkout.run(root, sys.executable, "-m", "domainlm", "plan", TARGET, "--domain", DOMAIN, "--json")
        planned = {row["artifact"]: row for row in json.loads(plan)["artifacts"]}
        seconds, built = run(root, options.cores)
        print(
            f"after one file changed: {seconds:.0f} s\n\n| artifact | planned | outcomes in builds.jsonl | shards |\n|---|---|---|---|"
        )
        wrong = []
        shard = f"{shard_of(SOURCE, path, 0, options.shards):04d}"
        for artifact in (*SHARDED, TARGET):
            rows = [row for row in built if row["artifact"] == artifact]
            started = sorted({row["shard"] for row in rows if row["shard"] is not None})
            outcomes = dict(Counter(row["outcome"] for row in rows))
            said = planned[artifact]
            unless = f" unless {', '.join(said['unless'])} comes out the same" if said["unless"] else ""
            print(
                f"| {artifact} | {said['state']}{unless} {said['shards'] or ''} | {outcomes} | {', '.join(started) or '-'} |"
            )
            if (said["state"] == "build") != bool(outcomes.get("built")):
                wrong.append(f"{artifact}: planned {said['state']}, but {outcomes}")
            if artifact in SHARDED and started != [shard]:
                wrong.append(f"{artifact}: jobs of shards {started} started; expected {shard} only")
        if wrong:
            raise SystemExit("\n".join(wrong))


def run(root: Path, cores: int) -> tuple[float, list[dict[str, Any]]]:
    """Seconds of a run of Snakemake, and the rows that it added to builds.jsonl."""
    log = root / ".domainlm/builds.jsonl"
    before = len(log.read_text(encoding="utf-8").splitlines()) if log.exists() else 0
    cost, _ = checkout.run(root, "snakemake", "--cores", str(cores), TARGET, "--config", f"domain={DOMAIN}")
    rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()[before:]]
    return cost.seconds, rows


if __name__ == "__main__":
    main()
