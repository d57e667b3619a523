"""Two checkouts in turn: what a run with nothing to do, a dry run and one hit cost in each, of a tiny domain.

In: two folders, the checkout before a change and the one after it. Out: a Markdown table of median CPU seconds (of all processes
of a command, user and system) and of the ratio after / before, under the name of the processor. Of each checkout a copy is built,
and the commands alternate between the two copies, so that a busy machine slows both; the wall clock is not judged. The copies
run with this Python and the libraries that it has.

    python benchmarks/store/start.py BEFORE AFTER [--rounds 9]
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from checkout import processor, run
from scale import DOMAIN, RUN, build_command, make_project

SHARDS, RAW_FILES = 2, 40
HIT = f"artifacts/{DOMAIN}/documents/0000"


def commands(root: Path) -> dict[str, float]:
    """CPU seconds of each command, once."""
    found = {
        "nothing to do: `snakemake --cores all`": run(root, *RUN)[0].cpu_seconds,
        "nothing to do: `snakemake -n`": run(root, *RUN, "-n")[0].cpu_seconds,
    }
    shutil.rmtree(root / HIT)
    return found | {"one hit: `domainlm build`": build_command(root, "documents", "0000").cpu_seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description="CPU seconds of two checkouts, side by side")
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: {"before": [], "after": []})
    with tempfile.TemporaryDirectory(prefix="domainlm-start-") as folder:
        roots = {name: Path(folder) / name for name in ("before", "after")}
        for name, checkout in (("before", options.before), ("after", options.after)):
            make_project(roots[name], SHARDS, RAW_FILES, checkout)
            run(roots[name], *RUN)
        for turn in range(options.rounds):
            for name in ("before", "after")[:: 1 if turn % 2 else -1]:
                for command, seconds in commands(roots[name]).items():
                    found[command][name].append(seconds)
    print(f"{processor()}; {options.rounds} rounds, the checkouts in turn\n")
    print("| median CPU seconds | before | after | after / before |\n|---|---|---|---|")
    for command, costs in found.items():
        before, after = (statistics.median(costs[name]) for name in ("before", "after"))
        print(f"| {command} | {before:.2f} | {after:.2f} | {after / before:.2f} |")


if __name__ == "__main__":
    main()
