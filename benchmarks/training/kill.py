"""Training killed and continued: `python benchmarks/training/kill.py [KILLS]`.

Builds `pt_adapter` undisturbed in one empty store, then in another store kills the build with SIGKILL at random
moments of the training, each time continuing with the plain command, and compares the tree digests.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
ARTIFACT = PROJECT / "artifacts" / "medical" / "pt_adapter"
OVERRIDES = ["corpus_split={max_train_tokens: 16000}", "pt_adapter={max_validation_rows: 2}"]
COMMAND = [sys.executable, "-m", "snakemake", "--cores", "all", "pt_adapter", "--config", *OVERRIDES]
OFTEN = ["--set-resources", "pt_adapter:checkpoint_seconds=1"]


def run(store: str, kill_after_seconds: float | None) -> bool:
    """Run the plain command; kill Snakemake and its build some time into the training. Returns whether it was killed."""
    shutil.rmtree(ARTIFACT, ignore_errors=True)
    log = PROJECT / "logs" / "medical" / "pt_adapter.log"
    log.unlink(missing_ok=True)
    environment = {**os.environ, "DOMAINLM_STORE": store}
    process = subprocess.Popen(
        [*COMMAND, *OFTEN],
        cwd=PROJECT,
        env=environment,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    training_since: float | None = None
    while process.poll() is None:
        time.sleep(0.1)
        if training_since is None and log.exists() and " % (" in log.read_text(encoding="utf-8"):
            training_since = time.monotonic()
        if kill_after_seconds is not None and training_since and time.monotonic() - training_since > kill_after_seconds:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return True
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(COMMAND)} failed with {process.returncode}; see {log}")
    return False


def digest() -> str:
    return hashlib.sha256((ARTIFACT / "manifest.json").read_bytes()).hexdigest()


def main() -> None:
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    chooser = random.Random()
    run(".domainlm/kill-undisturbed", None)
    expected = digest()
    for _ in range(kills):
        seconds = chooser.uniform(1, 16)
        was_killed = run(".domainlm/kill-disturbed", seconds)
        print(f"{seconds:.1f} s into the training: {'killed' if was_killed else 'had ended'}", flush=True)
    run(".domainlm/kill-disturbed", None)
    print((PROJECT / "logs" / "medical" / "pt_adapter.log").read_text(encoding="utf-8"))
    print(f"undisturbed {expected}\ncontinued   {digest()}\nequal: {expected == digest()}")


if __name__ == "__main__":
    main()
