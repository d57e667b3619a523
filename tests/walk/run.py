"""A random walk through changes, kills, clocks and looks: `python tests/walk/run.py [STEPS] [SEED] [--jobs 2]`.

Walks of up to 200 steps, from seeds that count up, each on a tiny project that is built; after every step the plain command is
compared with a build from nothing (walk.py). A walk ends at a divergence, and the next one begins. Printed are the steps
done, the divergences by kind, the first of each kind shrunk to the steps that are enough for it, and the seconds. Exits with 1
where there was one.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

# in this script's own folder, `walk` would be the module walk.py
sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from walk.state import Tools
from walk.steps import LEFT_OUT
from walk.walk import Divergence, shrunk, steps_of, walk

STEPS_PER_WALK = 200


def walks(seeds: list[int], count: int, kept: int, has_details: bool) -> tuple[int, list[Divergence], int, float]:
    """Walks until `count` steps are done; returns the steps done, the divergences (the first `kept` of a kind shrunk),
    states built from nothing, CPU seconds."""
    root = Path(tempfile.mkdtemp(prefix="random-walk-"))
    tools = Tools(root)
    done, found, kinds = 0, [], Counter[str]()
    for seed in seeds:
        if done >= count:
            break
        length = min(STEPS_PER_WALK, count - done)
        say = (
            (lambda text, seed=seed: print(f"{seed}: {text}", file=sys.stderr, flush=True))
            if has_details
            else lambda _: None
        )
        divergence = walk(tools, seed, length, say)
        done += length if divergence is None else len(divergence.steps)
        if divergence is not None:
            print(f"seed {seed}, step {len(divergence.steps)}: {divergence.message}", file=sys.stderr, flush=True)
            kinds[divergence.kind] += 1
            if kinds[divergence.kind] <= kept:
                divergence = shrunk(tools, divergence, say)
                print(divergence.as_test(f"seed {seed}"), file=sys.stderr, flush=True)
            found.append(divergence)
    tools.close()
    shutil.rmtree(root)
    cpu_seconds = sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return done, found, len(tools.answers), cpu_seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("steps", nargs="?", type=int, default=200)
    parser.add_argument("seed", nargs="?", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="walks at once")
    parser.add_argument("--shrink", type=int, default=1, help="divergences of a kind that are shrunk, in each job")
    parser.add_argument("--details", action="store_true", help="name every step as it is done")
    parser.add_argument("--list", action="store_true", help="print the steps of the seed's walk and do none")
    options = parser.parse_args()
    if options.list:
        for step in steps_of(options.seed, options.steps):
            print(json.dumps(step))
        return 0
    began = time.monotonic()
    # a walk may end at its first step
    seeds = range(options.seed, options.seed + options.steps)
    share = -(-options.steps // options.jobs)
    with ProcessPoolExecutor(options.jobs) as pool:
        parts = [
            pool.submit(walks, list(seeds[job :: options.jobs]), share, options.shrink, options.details)
            for job in range(options.jobs)
        ]
        results = [part.result() for part in parts]
    found = [each for _, divergences, _, _ in results for each in divergences]
    summary = {
        "steps": sum(done for done, *_ in results),
        "seed": options.seed,
        "states_built_from_nothing": sum(states for _, _, states, _ in results),
        "divergences": dict(Counter(each.kind for each in found)),
        "steps_left_out": LEFT_OUT,
        "cpu_seconds": round(sum(seconds for *_, seconds in results)),
        "seconds": round(time.monotonic() - began, 1),
    }
    print(json.dumps(summary, sort_keys=True))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
