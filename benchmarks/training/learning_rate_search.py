"""The same search of the SFT learning rate for two domains, on validation: `python benchmarks/training/learning_rate_search.py`.

Builds `sft_adapter` for every rate through the ordinary command and prints each one's validation loss; the test split
is not read. Builds are kept in the store, so the winner is restored later, not trained again.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
DOMAINS = ("medical", "medical_without_pt")
RATES = (0.001, 0.002, 0.004, 0.008)


def validation_loss(domain: str, rate: float) -> float:
    """Build the adapter with one rate; return its mean answer loss on the validation split, nats per token."""
    overrides = [f"domain={domain}", f"sft_adapter={{learning_rate: {rate}}}"]
    command = [sys.executable, "-m", "snakemake", "--cores", "all", "sft_adapter", "--config", *overrides]
    subprocess.run(command, cwd=PROJECT, check=True, stderr=subprocess.DEVNULL)
    stats = PROJECT / "artifacts" / domain / "sft_adapter" / "stats.json"
    return float(json.loads(stats.read_text(encoding="utf-8"))["validation_loss"])


def main() -> None:
    print(f"{'domain':24}{'learning_rate':>15}{'validation loss':>18}", flush=True)
    for domain in DOMAINS:
        losses = {rate: validation_loss(domain, rate) for rate in RATES}
        best = min(losses, key=losses.__getitem__)
        for rate, loss in losses.items():
            print(f"{domain:24}{rate:>15}{loss:>18.4f}{'  <- best' if rate == best else ''}", flush=True)


if __name__ == "__main__":
    main()
