"""The processor's name, its instructions for bfloat16, and the GPU's name.

In: /proc/cpuinfo, torch. Out: facts that decide speed and last bits. torch names one capability (AVX512) for processors
that multiply bfloat16 by tiles, by vectors, or not at all.
"""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

from domainlm.store.actions import plain_fact

CPUINFO = Path("/proc/cpuinfo")
# of x86 and ARM
BFLOAT16 = frozenset({"amx_bf16", "avx512_bf16", "bf16"})


def processor_name() -> str:
    """The processor's name; that of its architecture where Linux states none."""
    return _fields().get("model name") or platform.processor() or platform.machine()


def bfloat16_instructions() -> str:
    """Names of its instructions for bfloat16, or none."""
    fields = _fields()
    found = BFLOAT16.intersection((fields.get("flags") or fields.get("Features") or "").split())
    return " ".join(sorted(found)) or "none"


def device_name(gpus: int) -> str:
    """The name of the first granted GPU, or cpu."""
    import torch

    return plain_fact(torch.cuda.get_device_name(0)) if gpus and torch.cuda.is_available() else "cpu"


@cache
def _fields() -> dict[str, str]:
    """Fields of the first processor; none on another system."""
    try:
        text = CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.partition("\n\n")[0].splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}
