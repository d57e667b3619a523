"""The part of `domainlm doctor` that is about GPUs.

In: the project folder, `nvidia-smi`, the installed torch. Out: a `Check` each for driver, build of torch, cards, bf16,
NCCL and the disk that checkpoints of a training need, with its fix. A machine without a card is as fit as another: it
gets one line. `nvidia-smi` is asked, and not torch alone, because a CPU build of torch on a GPU machine is the fault
that is met most.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domainlm.config.errors import ConfigurationError
from domainlm.config.resolve import resolve
from domainlm.explain.model_shape import UnknownShape, read_shape
from domainlm.explain.training_memory import FLOAT_BYTES, MOMENT_BYTES, trainable_parameters
from domainlm.explain.training_plan import Grant, is_training, job_of
from domainlm.pipeline.places import artifact_folder
from domainlm.pipeline.table import STAGES
from domainlm.store.location import store_folder
from domainlm.upkeep.hooks import Check
from domainlm.wording import bytes_in_words

ASKED = "driver_version,name,memory.total,memory.free,compute_cap"
# a broken driver lets it hang
SECONDS = 20
# major version of CUDA -> first driver that it runs on (NVIDIA's table of compatibility)
LOWEST_DRIVERS = {11: 450, 12: 525, 13: 580}
# compute capability of Ampere, the first with bf16
BF16_CAPABILITY = 8.0
# of a card's memory, used by others
MAX_USED_SHARE = 0.5
GPU_BUILD = "install the CUDA build in an environment of its own: make setup TORCH=gpu VENV=.venv-gpu (docs/how-to/gpu-build.md)"


@dataclass(frozen=True)
class Card:
    """A card as nvidia-smi shows it; sizes in bytes."""

    driver: str
    name: str
    memory: int
    free: int
    capability: float


def examine_cards(project: Path) -> list[Check]:
    """Every check of the GPUs; one line where there is none."""
    import torch

    tool = shutil.which("nvidia-smi")
    if tool is None:
        if torch.cuda.is_available():
            return [Check("GPU", True, f"{_seen(torch)} (no nvidia-smi to ask for more)"), _checkpoints(project)]
        return [Check("GPU", True, "none found; the CPU is used")]
    try:
        cards = _cards(tool)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        said = f"nvidia-smi is here and fails: {error}"
        fix = "load the driver (modprobe nvidia), or restart the machine if the driver was updated"
        return [Check("GPU driver", False, said, fix)]
    if not cards:
        return [Check("GPU driver", True, "nvidia-smi is here and shows no card; the CPU is used")]
    return [
        _driver(torch, cards),
        *_torch(torch, cards),
        *_free(cards),
        _bf16(cards),
        _nccl(torch, cards),
        _checkpoints(project),
    ]


def _cards(tool: str) -> list[Card]:
    """The cards by nvidia-smi. Raises OSError, SubprocessError, ValueError."""
    command = [tool, f"--query-gpu={ASKED}", "--format=csv,noheader,nounits"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines()
        raise ValueError(lines[0] if lines else f"exit code {done.returncode}")
    found = []
    for row in done.stdout.strip().splitlines():
        cells = [cell.strip() for cell in row.split(",")]
        if len(cells) != len(ASKED.split(",")):
            raise ValueError(f"it printed {row!r}, expected {ASKED}")
        driver, name, memory, free, capability = cells
        # [N/A] on cards that share the machine's memory, and in slices of a card
        numbers = [float(cell) if re.fullmatch(r"[\d.]+", cell) else 0.0 for cell in (memory, free, capability)]
        found.append(Card(driver, name, int(numbers[0] * 2**20), int(numbers[1] * 2**20), numbers[2]))
    return found


def _driver(torch: Any, cards: list[Card]) -> Check:
    found = cards[0].driver
    cuda = torch.version.cuda
    needed = LOWEST_DRIVERS.get(int(cuda.split(".")[0])) if cuda else None
    major = re.match(r"\d+", found)
    if needed is not None and major is not None and int(major[0]) < needed:
        said = f"{found}, and torch is built for CUDA {cuda}"
        return Check("GPU driver", False, said, f"install driver {needed} or newer, and restart the machine")
    return Check("GPU driver", True, found)


def _torch(torch: Any, cards: list[Card]) -> Iterator[Check]:
    """Whether torch is built for CUDA and sees the cards."""
    if torch.version.cuda is None:
        yield Check("GPU build of torch", False, f"{torch.__version__} has no CUDA, nvidia-smi is here", GPU_BUILD)
        return
    if not torch.cuda.is_available():
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        said = f"{torch.__version__} sees no card, nvidia-smi sees {len(cards)}"
        fix = (
            "unset CUDA_VISIBLE_DEVICES"
            if visible is not None
            else "compare the driver with torch's CUDA; in a container, start it with its GPUs"
        )
        yield Check(
            "GPU build of torch",
            False,
            said + (f" (CUDA_VISIBLE_DEVICES={visible!r})" if visible is not None else ""),
            fix,
        )
        return
    yield Check("GPU build of torch", True, f"{torch.__version__}, CUDA {torch.version.cuda}, sees {_seen(torch)}")


def _seen(torch: Any) -> str:
    return f"{torch.cuda.device_count()} × {torch.cuda.get_device_name(0)}"


def _free(cards: list[Card]) -> Iterator[Check]:
    """The cards, and whether others use them."""
    names = dict.fromkeys(card.name for card in cards)
    kinds = [
        f"{sum(card.name == name for card in cards)} × {name} of"
        f" {bytes_in_words(next(card.memory for card in cards if card.name == name))}"
        for name in names
    ]
    yield Check("cards", True, ", ".join(kinds))
    for number, card in enumerate(cards):
        if card.memory and card.free < (1 - MAX_USED_SHARE) * card.memory:
            said = f"card {number}: {bytes_in_words(card.free)} of {bytes_in_words(card.memory)} are free"
            fix = (
                "nvidia-smi names the processes that hold the rest: end them, or choose others by CUDA_VISIBLE_DEVICES"
            )
            yield Check("memory of a card", False, said, fix)


def _bf16(cards: list[Card]) -> Check:
    old = [card for card in cards if 0 < card.capability < BF16_CAPABILITY]
    if old:
        said = f"{old[0].name} has compute capability {old[0].capability:g}"
        fix = f"bf16 in hardware needs {BF16_CAPABILITY:g} (Ampere) or newer: set precision: float32, or take another card"
        return Check("bf16", False, said, fix)
    return Check("bf16", True, "in hardware")


def _nccl(torch: Any, cards: list[Card]) -> Check:
    if len(cards) < 2:
        return Check("NCCL", True, "not needed for one card")
    if not torch.distributed.is_available() or not torch.distributed.is_nccl_available():
        return Check("NCCL", False, f"this torch has none, and there are {len(cards)} cards", GPU_BUILD)
    return Check("NCCL", True, ".".join(map(str, torch.cuda.nccl.version())))


def _checkpoints(project: Path) -> Check:
    """Room at the store for the checkpoints of the default domain's trainings.

    A checkpoint holds weights and both moments of what is trained; a new one is whole before the old one goes.
    """
    try:
        config = resolve(project, {})
    except ConfigurationError as error:
        return Check("disk for checkpoints", False, str(error), "mend the configuration")
    source = next((each for each in config.sources.values() if each.role == "base_model"), None)
    local = [project / source.local] if source is not None and source.local is not None else []
    folders = [project / artifact_folder(config.domain, stage.name) for stage in STAGES if stage.declares == "model"]
    folder = next((each for each in (*folders, *local) if (each / "config.json").is_file()), None)
    try:
        shape = read_shape(folder) if folder is not None else None
    except (UnknownShape, OSError):
        shape = None
    if shape is None:
        return Check("disk for checkpoints", True, "the base model is not here yet, so what they need is unknown")
    sections = [getattr(config, stage.name).model_dump() for stage in STAGES if is_training(stage.name)]
    trained = max(trainable_parameters(shape, job_of(section, 1, Grant())) for section in sections)
    needed = 2 * trained * (FLOAT_BYTES + MOMENT_BYTES)
    store = store_folder(project)
    while not os.path.exists(store):
        store = store.parent
    free = shutil.disk_usage(store).free
    said = f"{bytes_in_words(free)} free at the store, two checkpoints take {bytes_in_words(needed)}"
    fix = "domainlm gc, or move the store (docs/how-to/share-the-store.md)"
    return Check("disk for checkpoints", free >= needed, said, "" if free >= needed else fix)
