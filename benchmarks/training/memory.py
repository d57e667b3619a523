"""The memory planner beside measured peaks of training, on the CPU.

In: nothing; models of random weights, of three sizes, and rows of random tokens are made. Out: a Markdown table of
planned bytes, measured bytes and their ratio; it fails where a ratio leaves 0.85 to 1.15. Each row trains in a process
of its own: two updates, validation, saving and the check that the adapter reloads, which is all that a build does. It
is forked from one that has trained a tiny model, and only what comes on top of that is compared; what the libraries
take themselves is printed above the table. Peaks are the kernel's (VmHWM), so pages of the mapped checkpoint
count as they do against a limit.

    python benchmarks/training/memory.py [--rows 3]
"""

from __future__ import annotations

import argparse
import ctypes
import multiprocessing
import platform
import re
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from domainlm.config.training import Training
from domainlm.contract import Resources
from domainlm.explain.model_shape import read_shape
from domainlm.explain.training_memory import CPU_LIBRARY_BYTES, Job, Machine, training_memory
from domainlm.models.document_attention import MAX_FLOAT_TOKENS
from domainlm.tokens.files import write_meta, write_split
from domainlm.tokens.packing import TokenSequence
from domainlm.training.job import Start
from domainlm.training.train import train_adapter

BOUND = 0.15
UPDATES = 2
WIDE = {"max_position_embeddings": 2048, "tie_word_embeddings": True, "bos_token_id": None, "eos_token_id": None}
# name -> (model type, configuration): 17, 46 and 85 million parameters
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "17M": (
        "llama",
        {
            **WIDE,
            "hidden_size": 384,
            "num_hidden_layers": 8,
            "num_attention_heads": 6,
            "num_key_value_heads": 3,
            "intermediate_size": 1152,
            "vocab_size": 8192,
        },
    ),
    "46M": (
        "qwen2",
        {
            **WIDE,
            "hidden_size": 512,
            "num_hidden_layers": 12,
            "num_attention_heads": 8,
            "num_key_value_heads": 4,
            "intermediate_size": 1536,
            "vocab_size": 16384,
        },
    ),
    "85M": (
        "qwen3",
        {
            **WIDE,
            "hidden_size": 640,
            "num_hidden_layers": 16,
            "num_attention_heads": 10,
            "num_key_value_heads": 5,
            "head_dim": 64,
            "intermediate_size": 1792,
            "vocab_size": 16384,
        },
    ),
}
TINY: tuple[str, dict[str, Any]] = (
    "llama",
    {
        **WIDE,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 64,
        "vocab_size": 512,
    },
)


@dataclass(frozen=True)
class Case:
    """One training; threads: rows side by side."""

    model: str
    precision: str
    window: int
    micro_batch_rows: int = 1
    threads: int = 1
    rank: int = 16


CASES = (
    Case("17M", "float32", 128),
    Case("17M", "float32", 512),
    Case("17M", "float32", 512, threads=2),
    Case("17M", "float32", 1024, 2),
    Case("17M", "bfloat16", 1024),
    Case("46M", "float32", 128),
    Case("46M", "float32", 512, 2),
    Case("46M", "float32", 1024),
    Case("46M", "bfloat16", 512),
    Case("46M", "bfloat16", 512, threads=2),
    Case("46M", "bfloat16", 1024, 2),
    Case("46M", "bfloat16", 512, rank=64),
    Case("85M", "float32", 128),
    Case("85M", "float32", 512),
    Case("85M", "bfloat16", 512, 2),
    Case("85M", "bfloat16", 1024),
)


def main() -> None:
    parser = argparse.ArgumentParser(description="planned and measured memory of training")
    parser.add_argument("--rows", type=int, default=len(CASES), help="how many rows of the table")
    options = parser.parse_args()
    context = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory() as folder:
        warm_up(Path(folder))
    print(f"{processor()}; {status('VmRSS') / 1e6:.0f} MB before a model is loaded\n", flush=True)
    print("| model | precision | window | micro-batch | threads | rank | planned, MB | measured, MB | ratio |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    outside = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, model in MODELS.items():
            in_a_process(context, write_model, model, Path(folder) / name)
        for number, case in enumerate(CASES[: options.rows]):
            base = Path(folder) / case.model
            tokens = Path(folder) / f"tokens{number}"
            in_a_process(context, write_tokens, tokens, case, MODELS[case.model][1]["vocab_size"])
            planned = planned_bytes(case, base)
            measured = in_a_process(context, measure, case, base, tokens)
            ratio = planned / measured
            outside += not 1 - BOUND <= ratio <= 1 + BOUND
            cells = (case.model, case.precision, case.window, case.micro_batch_rows, case.threads, case.rank)
            print(
                "|",
                " | ".join(map(str, cells)),
                f"| {planned / 1e6:.0f} | {measured / 1e6:.0f} | {ratio:.2f} |",
                flush=True,
            )
    sys.exit(f"{outside} ratios leave {1 - BOUND:.2f} to {1 + BOUND:.2f}" if outside else 0)


def warm_up(folder: Path) -> None:
    """Train a tiny model.

    Every import, and what libraries keep, is in memory then. No thread may be running afterwards, as processes are forked from this one.
    """
    import torch

    torch.set_num_threads(1)
    case = Case("tiny", "float32", 32)
    write_model(TINY, folder / "base")
    write_tokens(folder / "tokens", case, TINY[1]["vocab_size"])
    for precision in ("float32", "bfloat16"):
        train(replace(case, precision=precision), folder / "base", folder / "tokens")
    # the C library gives back what was freed
    ctypes.CDLL(None).malloc_trim(0)


def in_a_process(context: Any, work: Any, *arguments: Any) -> Any:
    """The result of a function, computed in a process of its own."""
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=lambda: sender.send(work(*arguments)))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        sys.exit(f"{work.__name__}{arguments} failed; its messages are above")
    finally:
        process.join()


def status(name: str) -> int:
    """Bytes of this process by the kernel: VmRSS, or VmHWM, the peak."""
    found = re.search(rf"^{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def write_model(model: tuple[str, dict[str, Any]], folder: Path) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.utils import logging

    kind, values = model
    torch.manual_seed(0)
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    model_type: Any = AutoModelForCausalLM
    model_type.from_config(AutoConfig.for_model(kind, **values)).to(torch.bfloat16).save_pretrained(folder)


def measure(case: Case, base: Path, tokens: Path) -> int:
    """Bytes that a training takes on top of what was there."""
    before = status("VmRSS")
    train(case, base, tokens)
    return status("VmHWM") - before


def train(case: Case, base: Path, tokens: Path) -> None:
    """All that a build of `pt_adapter` does."""
    section = Training(
        rank=case.rank,
        precision=case.precision,  # type: ignore[arg-type]
        rows_per_step=case.micro_batch_rows * case.threads,
        max_validation_rows=1,
    )
    resources = Resources(threads=case.threads, micro_batch_rows=case.micro_batch_rows, log=lambda text: None)
    with tempfile.TemporaryDirectory() as out, tempfile.TemporaryDirectory() as scratch:
        train_adapter(Start(base, "base_model"), tokens, section, 0, Path(out), Path(scratch), resources)


def write_tokens(folder: Path, case: Case, vocabulary: int) -> None:
    """Full rows, each of one document of random tokens."""
    import numpy as np

    folder.mkdir()
    draw = np.random.default_rng(0)
    ones = np.ones(case.window, dtype=np.uint8)
    figures = {}
    for split, rows in (("train", UPDATES * case.micro_batch_rows * case.threads), ("validation", 1)):
        found = [
            TokenSequence(f"{split}{row}", "random", draw.integers(0, vocabulary, case.window), ones)
            for row in range(rows)
        ]
        figures[split] = write_split(folder, split, found, case.window, 0)
    write_meta(folder, figures, case.window, 0, 0)


def planned_bytes(case: Case, base: Path) -> int:
    """What the planner says, without the libraries.

    The measured figure leaves them out, too.
    """
    job = Job(
        precision=case.precision,
        rank=case.rank,
        window=case.window,
        micro_batch_rows=case.micro_batch_rows,
        rows_per_step=case.micro_batch_rows * case.threads,
        # a row is one document
        has_short_documents=case.window <= MAX_FLOAT_TOKENS,
    )
    return training_memory(read_shape(base), job, Machine("cpu", case.threads)).total - CPU_LIBRARY_BYTES


def processor() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found is not None else platform.processor()


if __name__ == "__main__":
    main()
