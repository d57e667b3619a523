"""Every method of training on a real model: what it costs, learns, forgets, and how it merges.

In: the folder of a built domain (`base_model`, `pt_tokens`, `corpus_split`). Out: a Markdown table. Each method trains on the
same first rows of `pt_tokens`, in a process of its own, through all gates of a build; then the loss on validation rows of
the domain and on general text that no training saw is compared with the base model's. Rates are those of the table, not
searched, so a figure says what a method does at that rate and no more. Time is that of a training with its loading and its
gates, by wall clock: nothing else may run.

    python benchmarks/training/methods.py artifacts/medical
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, get_args

import numpy as np

from domainlm.builder.processor import processor_name
from domainlm.config.methods import LOW_RANK, WHOLE, Method
from domainlm.config.pretraining import MergedModel, PtAdapter
from domainlm.contract import Resources, StageError
from domainlm.models.certificate import certify
from domainlm.models.load import load_model
from domainlm.models.merge import merge
from domainlm.models.methods import saved_model
from domainlm.stages.pt_tokens import tokenise
from domainlm.tokens.files import write_split
from domainlm.tokens.rows import read_split
from domainlm.tokens.special import read_special_tokens
from domainlm.tokens.spelled_out import read_text_tokenizer
from domainlm.training.job import Start
from domainlm.training.loss import mean_loss, row_losses
from domainlm.training.train import train_adapter

SEED = 17
COMPARED_ROWS = 16
# where a method's usual rate is not that of LoRA, 1e-3: tenths of it for whole weights, more for virtual tokens
RATES = {"full": 5e-5, "osf": 5e-5, "p_tuning": 1e-2, "prefix_tuning": 1e-2}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("domain", type=Path, help="folder of a built domain: artifacts/medical")
    parser.add_argument("--rows", type=int, default=48, help="rows of training (default: 48)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--methods", nargs="+", default=list(get_args(Method)))
    parser.add_argument("--method", help="train by this one and print its figures (used internally)")
    options = parser.parse_args()
    if options.method:
        print(json.dumps(figures(options)))
        return
    print(f"{processor_name()}, {options.threads} threads, {options.rows} rows\n")
    print("| method | rate | trained | time | peak, GB | domain loss | general loss | merge |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    first = None
    for method in options.methods:
        command = [sys.executable, __file__, str(options.domain), "--method", method]
        command += ["--rows", str(options.rows), "--threads", str(options.threads)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found = json.loads(done.stdout.splitlines()[-1])
        if "refused" in found:
            print(f"| `{method}` | – | – | – | – | – | – | {found['refused']} |", flush=True)
            continue
        first = first or found["seconds"]
        print(
            f"| `{method}` | {found['rate']:g} | {found['share']:.2%} | {found['seconds'] / first:.2f} | {found['peak_gb']:.1f}"
            f" | {found['domain']:+.3f} | {found['general']:+.3f} | {found['merge']} |",
            flush=True,
        )


def figures(options: argparse.Namespace) -> dict[str, Any]:
    """Train by one method, and compare with the base model. Losses are differences in nats a token."""
    import torch

    torch.set_num_threads(1)
    base, rate = options.domain / "base_model", RATES.get(options.method, 1e-3)
    section = PtAdapter(method=options.method, learning_rate=rate, epochs=1, max_validation_rows=COMPARED_ROWS)
    with tempfile.TemporaryDirectory() as name:
        tokens, out, scratch, merged = (Path(name) / part for part in ("tokens", "out", "scratch", "merged"))
        for folder in (tokens, out, scratch, merged):
            folder.mkdir()
        write_rows(options.domain, tokens, options.rows)
        resources = Resources(threads=options.threads, log=lambda line: print(line, file=sys.stderr))
        start = time.monotonic()
        try:
            stats = train_adapter(Start(base, "base_model"), tokens, section, SEED, out, scratch, resources)
        except StageError as error:
            return {"refused": str(error).split(";")[0]}
        seconds, peak = time.monotonic() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        before, weights = losses_of(load_model(base, "float32"), tokens, options.threads)
        after, _ = losses_of(
            saved_model(lambda folder: load_model(folder, "float32"), base, out), tokens, options.threads
        )
        kind = "is a checkpoint" if options.method in WHOLE else "no"
        if options.method in LOW_RANK:
            kind = merged_as(base, out, merged, tokens, options.threads)
    return {
        "rate": rate,
        "share": stats["trainable_parameters"] / weights,
        "seconds": seconds,
        "peak_gb": peak * 1024 / 1e9,
        "domain": after[0] - before[0],
        "general": after[1] - before[1],
        "merge": kind,
    }


def merged_as(base: Path, adapter: Path, merged: Path, tokens: Path, threads: int) -> str:
    """The certificate of a merge, or why there is none."""
    # a short training changes less than bfloat16 keeps, and its merge is refused in that, rightly
    merge(base, adapter, "float32", merged)
    try:
        section = MergedModel(certificate_rows=4)
        return f"KL {certify(base, adapter, merged, read_split(tokens, 'validation'), section, threads)['kl']:.1e}"
    except StageError as error:
        return str(error).split(";")[0]


def write_rows(domain: Path, folder: Path, count: int) -> None:
    """The first rows of training, those of validation, and packed general text that was held out."""
    for split, limit in (("train", count), ("validation", COMPARED_ROWS)):
        rows = read_split(domain / "pt_tokens", split)
        for part in ("ids", "positions", "loss_mask"):
            np.save(folder / f"{split}_{part}.npy", getattr(rows, part)[:limit])
    base = domain / "base_model"
    special, tokenizer = read_special_tokens(base), read_text_tokenizer(base)
    texts = tokenise(tokenizer, domain / "corpus_split" / "general_held_out.parquet", special)
    write_split(folder, "general", list(texts), rows.row_length, special.pad_id)


def losses_of(model: Any, folder: Path, threads: int) -> tuple[list[float], int]:
    """Mean loss of domain and general rows, and the number of the model's weights."""
    found = []
    for split in ("validation", "general"):
        rows = read_split(folder, split)
        found.append(mean_loss(row_losses(model, rows, list(range(min(COMPARED_ROWS, len(rows)))), threads)))
    return found, sum(parameter.numel() for parameter in model.parameters())


if __name__ == "__main__":
    main()
