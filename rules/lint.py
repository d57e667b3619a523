"""`snakemake --lint` with the lints that this project declines, each with its reason: `python rules/lint.py`."""

from __future__ import annotations

import subprocess
import sys

DECLINED = {
    "Specify a conda environment or container for each rule.": "one locked environment serves every rule, and its versions "
    "are part of every action key (envs/*.lock)",
}


def main() -> int:
    command = [sys.executable, "-m", "snakemake", "--lint"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    titles = [line.strip(" *:") for line in lines if line.startswith("    * ")]
    kept = [title for title in titles if title not in DECLINED]
    for title in kept:
        print(f"lint: {title} (snakemake --lint says where)")
    for title, reason in DECLINED.items():
        print(f"declined {titles.count(title)} times: {title} ({reason})")
    return 1 if kept or (done.returncode != 0 and not titles) else 0


if __name__ == "__main__":
    sys.exit(main())
