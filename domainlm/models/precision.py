"""The precision and the use of cores that are fastest here.

In: a checkpoint's configuration. Out: float32 or bfloat16. Which is faster depends on the processor: by AVX512-BF16 or
AMX, bfloat16 is two to seven times as fast; without them, float32 is twice as fast. So it is measured, for a fraction of a second, on
one core and with products of the model's own widths. Their names (AVX512) do not tell, nor does a list of processors.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

PRECISIONS = ("float32", "bfloat16")
ROWS = 256
ROUNDS = 5
# a product of a tiny model takes no longer than its call
LEAST_WIDTH = 512
# elementwise work does not gain, and bfloat16 costs digits
LEAST_GAIN = 1.2
NAME = "precision"
SHARING = "threads_in_row"


def resolved_precision(
    declared: str, base: Path, device: torch.device, choose: Callable[[str, Callable[[], str]], str]
) -> str:
    """The declared precision; for auto, the device's choice for a checkpoint."""
    if declared != "auto":
        return declared
    chosen = choose(NAME, lambda: gpu_precision() if device.type == "cuda" else faster_precision(*widths(base)))
    # remembered in a file that anyone may have written to
    return chosen if chosen in PRECISIONS else "float32"


def gpu_precision() -> str:
    """bfloat16 on a GPU that multiplies it (Ampere and later), else float32."""
    import torch

    return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"


def widths(base: Path) -> tuple[int, int]:
    """Hidden and intermediate size of a checkpoint, by its configuration."""
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    hidden = int(config.get("hidden_size") or config.get("n_embd") or config.get("d_model") or 1024)
    intermediate = config.get("intermediate_size") or 4 * hidden
    # some have a width for each layer (Gemma 3n)
    return hidden, int(max(intermediate) if isinstance(intermediate, list) else intermediate)


def faster_precision(hidden: int, intermediate: int) -> str:
    """bfloat16 where one core multiplies it clearly faster than float32."""
    seconds = {precision: product_seconds(precision, hidden, intermediate) for precision in PRECISIONS}
    return "bfloat16" if seconds["bfloat16"] * LEAST_GAIN < seconds["float32"] else "float32"


def threads_in_row(idle: int, width: int, choose: Callable[[str, Callable[[], str]], str]) -> int:
    """Threads that work on one row.

    idle: cores that each row under way has to itself. Rows side by side use a core each, without waiting. With more
    cores than rows, products are shared where that is faster on this machine; the last bits then depend on the number.
    """
    if idle < 2:
        return 1
    return idle if choose(f"{idle}_{SHARING}", lambda: _shared_products(idle, width)) == "shared" else 1


def _shared_products(threads: int, width: int) -> str:
    alone, shared = (product_seconds("float32", width, 4 * width, count) for count in (1, threads))
    return "shared" if shared * LEAST_GAIN < alone else "single"


def product_seconds(precision: str, hidden: int, intermediate: int, cores: int = 1) -> float:
    """Least seconds of a product [rows, hidden] x [hidden, intermediate]."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(cores)
    try:
        dtype = getattr(torch, precision)
        hidden, intermediate = max(hidden, LEAST_WIDTH), max(intermediate, LEAST_WIDTH)
        states, weight = torch.ones(ROWS, hidden, dtype=dtype), torch.ones(intermediate, hidden, dtype=dtype)
        found = []
        # the first round compiles the kernel
        for _ in range(1 + ROUNDS):
            began = time.perf_counter()
            torch.nn.functional.linear(states, weight)
            found.append(time.perf_counter() - began)
        return min(found[1:])
    finally:
        torch.set_num_threads(threads)
