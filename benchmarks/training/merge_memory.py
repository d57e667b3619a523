"""Peak memory and time of a merge and its certificate, beside the size of the checkpoint.

In: the shape of a Qwen2 (its vocabulary, width and tied embeddings are those of Qwen2.5-1.5B; 16 layers make a billion
parameters). Out: a table. Weights are random and written tensor by tensor, so that the script itself needs no memory
for the model. Linux only: the kernel's own peak of the process is read and set back between the parts.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from random_qwen import LAYERS, SHAPE, write_model

RANK = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--layers", type=int, default=LAYERS, help="layers of the model (default: 16, a billion parameters)"
    )
    parser.add_argument("--rows", type=int, default=4, help="rows that the certificate compares (default: 4)")
    parser.add_argument("--row-tokens", type=int, default=512, help="tokens in a row (default: 512)")
    parser.add_argument("--threads", type=int, default=2, help="rows computed at a time (default: 2)")
    options = parser.parse_args()
    # what the parts import is no part of their peaks
    import accelerate  # noqa: F401
    import peft  # noqa: F401
    import torch
    from transformers import Qwen2ForCausalLM  # noqa: F401

    from domainlm.config.pretraining import MergedModel
    from domainlm.models.certificate import certify
    from domainlm.models.merge import merge

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        base, adapter, merged = (Path(name) / part for part in ("base", "adapter", "merged"))
        for folder in (base, adapter, merged):
            folder.mkdir()
        numbers = write_model(base, options.layers)
        write_adapter(base, adapter)
        size = sum(path.stat().st_size for path in base.glob("*.safetensors"))
        print(f"{numbers / 1e9:.2f} billion parameters, {size / 1e6:,.0f} MB", flush=True)
        rows = random_rows(options.rows, options.row_tokens)
        section = MergedModel(certificate_rows=options.rows, dtype="bfloat16")
        print("| part | seconds | peak, MB | of the checkpoint |\n|---|---|---|---|", flush=True)
        measure("merge", size, lambda: merge(base, adapter, "bfloat16", merged))
        found = measure("certificate", size, lambda: certify(base, adapter, merged, rows, section, options.threads))
        print(f"KL {found['kl']:.2g}, NLL {found['nll_base_adapter']} and {found['nll_merged']}")


def measure(name: str, size: int, work: Callable[[], Any]) -> Any:
    """Run, and print the row of the table."""
    Path("/proc/self/clear_refs").write_text("5")
    before, start = memory("VmRSS"), time.monotonic()
    result = work()
    peak, seconds = memory("VmHWM") - before, time.monotonic() - start
    print(f"| {name} | {seconds:.0f} | {peak / 1e6:,.0f} | {peak / size:.2f} |", flush=True)
    return result


def memory(key: str) -> int:
    """Bytes of this process, as the kernel counts them."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key)) * 1024


def write_adapter(base: Path, adapter: Path) -> None:
    """A random adapter of all linear layers."""
    import torch
    from peft import LoraConfig
    from safetensors.torch import save_file

    from domainlm.models.weights import empty_model

    generator = torch.Generator().manual_seed(0)
    low: dict[str, torch.Tensor] = {}
    for name, each in empty_model(base).named_parameters():
        if name.endswith("_proj.weight"):
            prefix = f"base_model.model.{name.removesuffix('.weight')}"
            low[f"{prefix}.lora_A.weight"] = torch.randn(RANK, each.shape[1], generator=generator) * 0.02
            low[f"{prefix}.lora_B.weight"] = torch.randn(each.shape[0], RANK, generator=generator) * 0.02
    save_file(low, adapter / "adapter_model.safetensors")
    settings = LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules="all-linear", task_type="CAUSAL_LM")
    settings.save_pretrained(adapter)


def random_rows(count: int, length: int) -> Any:
    """Rows of random tokens, each one document."""
    from domainlm.tokens.rows import PackedRows

    ids = np.random.default_rng(0).integers(0, SHAPE["vocab_size"], (count, length)).astype(np.int32)
    positions = np.tile(np.arange(length, dtype=np.int32), (count, 1))
    mask = np.ones((count, length), dtype=np.uint8)
    mask[:, 0] = 0
    return PackedRows(ids, positions, mask)


if __name__ == "__main__":
    main()
