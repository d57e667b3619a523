"""PT training side by side: this project's loop, peft + transformers' Trainer, and TRL's SFTTrainer as documented.

In: a `base_model` folder and a `pt_tokens` folder. Out: a table of tokens per second and of ratios. The contenders
train on the same packed rows, in the order of training, with the same global batch, adapter and number of updates; rounds are
interleaved, each run is a process of its own, and the median of the rounds counts. A run's first update is left out: it
warms caches up. peft + Trainer is given the precision and the micro-batch that it is fastest with, and this project
chooses its own, as a build does. Only ratios carry over to another machine.

Needs the extra `benchmarks` (trl). Example:
    python benchmarks/training/pt_training.py artifacts/medical/base_model artifacts/medical/pt_tokens
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

from domainlm.builder.processor import bfloat16_instructions, processor_name
from domainlm.models.precision import faster_precision, widths

CONTENDERS = ("domainlm", "peft + Trainer", "TRL SFTTrainer")
MICRO_BATCHES = (1, 2, 4)
PRECISIONS = ("float32", "bfloat16")
ROWS_PER_STEP = 4
RANK, ALPHA, LEARNING_RATE = 16, 32, 1e-3


def main() -> None:
    parser = argparse.ArgumentParser(description="PT training speed, side by side")
    parser.add_argument("base", type=Path, help="base_model folder")
    parser.add_argument("tokens", type=Path, help="pt_tokens folder")
    parser.add_argument("--updates", type=int, default=2, help="timed updates of 4 rows in each run")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--micro-batch-rows", type=int, default=1, help="this project's micro-batch")
    parser.add_argument("--precision", choices=PRECISIONS, help="of peft + Trainer (used internally)")
    parser.add_argument("--contender", choices=CONTENDERS, help="time this one once and print it (used internally)")
    options = parser.parse_args()
    if options.contender:
        print(json.dumps({"tokens_per_second": run_contender(options)}))
        return
    print(f"processor: {processor_name()}, bfloat16: {bfloat16_instructions()}, {options.threads} threads")
    ways = list(product(PRECISIONS, MICRO_BATCHES))
    searched = {way: time_run(options, "peft + Trainer", way[1], way[0]) for way in ways}
    precision, best = max(searched, key=lambda way: searched[way])
    print("peft + Trainer by precision and micro-batch, tokens/s:")
    print({f"{name} x {rows}": round(speed) for (name, rows), speed in searched.items()}, flush=True)
    micro_batches = {"domainlm": options.micro_batch_rows, "peft + Trainer": best, "TRL SFTTrainer": ROWS_PER_STEP}
    print(f"domainlm trains in {faster_precision(*widths(options.base))}, peft + Trainer in {precision}")
    speeds: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    for turn in range(options.rounds):
        for name in CONTENDERS:
            speeds[name].append(time_run(options, name, micro_batches[name], precision))
        print(f"round {turn + 1}:", {name: round(values[-1]) for name, values in speeds.items()}, flush=True)
    print(table(speeds, micro_batches))


def table(speeds: Mapping[str, list[float]], micro_batches: Mapping[str, int]) -> str:
    """Medians, and how many times faster this project is, as Markdown."""
    ours = statistics.median(speeds["domainlm"])
    lines = ["| trainer | micro-batch | tokens/s, median | range | domainlm is faster by |", "|---|---|---|---|---|"]
    for name, values in speeds.items():
        middle = statistics.median(values)
        spread = f"{min(values):.0f} to {max(values):.0f}"
        lines.append(f"| {name} | {micro_batches[name]} | {middle:.0f} | {spread} | {ours / middle:.2f} |")
    return "\n".join(lines)


def time_run(options: argparse.Namespace, contender: str, micro_batch_rows: int, precision: str) -> float:
    """Tokens per second of one run in a fresh process."""
    command = [sys.executable, __file__, str(options.base), str(options.tokens), "--contender", contender]
    command += ["--updates", str(options.updates), "--threads", str(options.threads)]
    command += ["--micro-batch-rows", str(micro_batch_rows), "--precision", precision]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{contender} failed:\n{done.stderr[-3000:]}")
    return float(json.loads(done.stdout.splitlines()[-1])["tokens_per_second"])


def run_contender(options: argparse.Namespace) -> float:
    import torch

    torch.set_num_threads(options.threads)
    runs: dict[str, Callable[[argparse.Namespace, Path, list[float]], int]] = {
        "domainlm": run_domainlm,
        "peft + Trainer": run_peft_trainer,
        "TRL SFTTrainer": run_sft_trainer,
    }
    ends: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        row_length = runs[options.contender](options, Path(folder), ends)
    return (len(ends) - 1) * ROWS_PER_STEP * row_length / (ends[-1] - ends[0])


def run_domainlm(options: argparse.Namespace, folder: Path, ends: list[float]) -> int:
    """The stage's own update loop; validation and saving are outside the timing, as they are for the others."""
    from domainlm.config.pretraining import PtAdapter
    from domainlm.contract import Resources
    from domainlm.models.document_attention import load_for_packing
    from domainlm.models.lora import new_adapter
    from domainlm.training.updates import update_adapter

    rows = chosen_rows(options)
    section = PtAdapter(rank=RANK, alpha=ALPHA, learning_rate=LEARNING_RATE, rows_per_step=ROWS_PER_STEP)
    resources = Resources(
        threads=options.threads,
        micro_batch_rows=options.micro_batch_rows,
        checkpoint_seconds=1e9,
        progress=lambda done, total, figures: ends.append(time.perf_counter()),
    )
    model = new_adapter(load_for_packing(options.base, faster_precision(*widths(options.base))), section, 17)
    update_adapter(model, rows, section, 17, folder, resources)
    return int(rows.row_length)


def run_peft_trainer(options: argparse.Namespace, folder: Path, ends: list[float]) -> int:
    """The model's own loss over the same labels, packed by the same positions; bf16 is base and autocast."""
    import torch
    from peft import get_peft_model
    from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

    rows = chosen_rows(options)
    model = AutoModelForCausalLM.from_pretrained(options.base, dtype=getattr(torch, options.precision))
    model.config.use_cache = False
    arguments = TrainingArguments(
        bf16=options.precision == "bfloat16",
        remove_unused_columns=False,
        **shared_arguments(options, folder, options.micro_batch_rows),
    )

    def collate(examples: list[dict[str, Any]]) -> dict[str, Any]:
        return {key: torch.tensor([example[key] for example in examples]) for key in examples[0]}

    trainer = Trainer(
        model=get_peft_model(model, lora_config()),
        args=arguments,
        train_dataset=examples_of(rows),  # type: ignore[arg-type]
        data_collator=collate,
        callbacks=[step_clock(ends)],
    )
    trainer.train()
    return int(rows.row_length)


def run_sft_trainer(options: argparse.Namespace, folder: Path, ends: list[float]) -> int:
    """The trainer's documented use: a model's name, a dataset and a peft configuration; the rest are its defaults."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    rows = chosen_rows(options)
    dataset = Dataset.from_list([{"input_ids": example["input_ids"]} for example in examples_of(rows)])
    trainer = SFTTrainer(
        model=str(options.base),
        args=SFTConfig(max_length=rows.row_length, **shared_arguments(options, folder, options.micro_batch_rows)),
        train_dataset=dataset,
        peft_config=lora_config(),
        callbacks=[step_clock(ends)],
    )
    trainer.train()
    return int(rows.row_length)


def chosen_rows(options: argparse.Namespace) -> Any:
    """The rows that are trained on first: one update to warm up, then the timed ones."""
    from domainlm.tokens.rows import PackedRows, read_split
    from domainlm.training.schedule import row_order

    rows = read_split(options.tokens, "train")
    count = (options.updates + 1) * ROWS_PER_STEP
    if len(rows) < count:
        raise SystemExit(f"{options.tokens} has {len(rows)} training rows; expected {count}: lower --updates")
    chosen = row_order(len(rows), 1, 17)[:count]
    return PackedRows(rows.ids[chosen], rows.positions[chosen], rows.loss_mask[chosen])


def examples_of(rows: Any) -> list[dict[str, list[int]]]:
    return [
        {
            "input_ids": rows.ids[row].tolist(),
            "position_ids": rows.positions[row].tolist(),
            "labels": [
                token if learned else -100
                for token, learned in zip(rows.ids[row].tolist(), rows.loss_mask[row].tolist(), strict=True)
            ],
        }
        for row in range(len(rows))
    ]


def shared_arguments(options: argparse.Namespace, folder: Path, micro_batch_rows: int) -> dict[str, Any]:
    return {
        "output_dir": str(folder),
        "per_device_train_batch_size": micro_batch_rows,
        "gradient_accumulation_steps": ROWS_PER_STEP // micro_batch_rows,
        "max_steps": options.updates + 1,
        "learning_rate": LEARNING_RATE,
        "use_cpu": True,
        "report_to": [],
        "save_strategy": "no",
        "logging_strategy": "no",
        "disable_tqdm": True,
    }


def lora_config() -> Any:
    from peft import LoraConfig

    return LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules="all-linear", task_type="CAUSAL_LM")


def step_clock(ends: list[float]) -> Any:
    from transformers import TrainerCallback

    class StepClock(TrainerCallback):
        def on_step_end(self, *arguments: Any, **named: Any) -> None:
            ends.append(time.perf_counter())

    return StepClock()


if __name__ == "__main__":
    main()
