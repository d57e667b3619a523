"""A model of a billion parameters through the whole chain: peak memory of each stage.

In: the folder of Qwen2.5's real tokenizer, which `make test` fetches. Out: a table of seconds and peak memory by artifact.
In a temporary folder: a copy of this repository, a Qwen2 of random weights with that tokenizer, and a domain of the
default's sources that trains on it for a handful of updates. Snakemake builds everything up to the report. Fails where
a stage's peak is over the limit. Needs 15 GB of disk.

    python benchmarks/training/whole_chain.py
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import checkout
from random_qwen import LAYERS, write_model

TOKENIZER = Path(sys.prefix) / "share" / "domainlm-tests" / "qwen2_5"
MODEL = "data/random_qwen"
DOMAIN = """
extends: medical
sources:
  random_qwen: {role: base_model, licence: none, local: data/random_qwen}
corpus_split: {max_train_tokens: 4000}
pt_adapter: {rows_per_step: 2, max_validation_rows: 2}
sft_adapter: {rows_per_step: 2, epochs: 1, max_validation_rows: 2}
sft_dataset: {max_documents: 12}
merged_model: {certificate_rows: 2}
eval_results:
  max_definitions: 4
  max_answers: 4
  max_choices: 2
  max_generations: 2
  max_new_tokens: 16
  max_general_tokens: 1000
"""
# those that hold the model
ARTIFACTS = ("base_model", "pt_adapter", "merged_model", "sft_adapter", "eval_results")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--layers", type=int, default=LAYERS, help="layers of the model (default: a billion parameters)"
    )
    parser.add_argument("--limit-gb", type=float, default=24.0, help="peak memory of a stage that fails (default: 24)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="domainlm-chain-") as folder:
        root = Path(folder)
        checkout.copy_repository(root)
        base = root / MODEL
        base.mkdir(parents=True)
        numbers = write_model(base, options.layers)
        for file in TOKENIZER.glob("*.json"):
            shutil.copy(file, base)
        (root / "config/domains/random_qwen.yaml").write_text(DOMAIN, encoding="utf-8")
        size = sum(file.stat().st_size for file in base.glob("*.safetensors"))
        print(f"{checkout.processor()}: {numbers / 1e9:.2f} billion parameters, {size / 1e6:,.0f} MB", flush=True)
        cost, _ = checkout.run(root, "snakemake", "--cores", "all", "--config", "domain=random_qwen")
        rows = [json.loads(line) for line in (root / ".domainlm/builds.jsonl").read_text().splitlines()]
        built = {row["artifact"]: row for row in rows if row["outcome"] == "built"}
        print("| artifact | seconds | peak memory, GB | of the checkpoint |\n|---|---|---|---|")
        for name in ARTIFACTS:
            peak = built[name]["peak_memory_mb"] * 1e6
            print(f"| `{name}` | {built[name]['seconds']:.0f} | {peak / 1e9:.1f} | {peak / size:.1f} |")
        for name in ("pt_adapter/stats.json", "merged_model/certificate.json", "sft_adapter/stats.json"):
            print(name, json.loads((root / "artifacts/random_qwen" / name).read_text(encoding="utf-8")))
        print(f"everything: {cost.seconds / 60:.0f} minutes")
        if max(row["peak_memory_mb"] for row in built.values()) > options.limit_gb * 1000:
            raise SystemExit(f"a stage's peak is over {options.limit_gb:g} GB")


if __name__ == "__main__":
    main()
