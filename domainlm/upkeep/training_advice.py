"""What of a training's configuration lies outside what the field does.

In: a domain's resolved configuration, and what of it is built: the base model's size, the tokens to train on. Out: one
warning for each knob that is outside its band; docs/how-to/training.md names the sources of the bands. They are
warnings: a band is where others found good results, on other data. It costs a second here, and a wasted training
else.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domainlm.config.domain import DomainConfig
from domainlm.config.errors import ConfigurationError
from domainlm.config.resolve import default_domain, resolve
from domainlm.config.training import Training
from domainlm.pipeline.edges import has_pretraining
from domainlm.pipeline.places import artifact_folder
from domainlm.upkeep.hooks import Check

PAGE = "docs/how-to/training.md"
MAX_EPOCHS = 3
MIN_GENERAL_SHARE = 0.05
RANKS = (8, 256)
# of continued pretraining of a model of so many parameters
LARGE_MODEL, MIN_RANK_OF_LARGE = 6_000_000_000, 32
# LoRA loses more to a large batch than full fine-tuning does
MAX_ROWS_OF_LORA = 32
MIN_TOKENS = {"full": 10_000_000, "lora": 20_000}
MAX_TOKENS = {"prompt": 1_000_000}
# a weight of an adapter holds about two bits, a token of text needs about one
TOKENS_PER_PARAMETER = 2
KINDS = {"full": "full", "osf": "full", "p_tuning": "prompt", "prefix_tuning": "prompt"}


@dataclass(frozen=True)
class Band:
    """Peak learning rates for models of up to so many parameters."""

    stage: str
    kind: str
    parameters: float
    lowest: float
    highest: float


BANDS = (
    Band("pt_adapter", "lora", 5e8, 2e-4, 4e-3),
    Band("pt_adapter", "lora", 3.5e9, 1e-4, 1e-3),
    Band("pt_adapter", "lora", 2e10, 5e-5, 5e-4),
    Band("pt_adapter", "lora", math.inf, 2e-5, 2e-4),
    Band("pt_adapter", "full", 5e8, 3e-5, 5e-4),
    Band("pt_adapter", "full", 3.5e9, 2e-5, 2e-4),
    Band("pt_adapter", "full", 2e10, 1e-5, 5e-5),
    Band("pt_adapter", "full", math.inf, 5e-6, 3e-5),
    Band("sft_adapter", "lora", 5e8, 2e-4, 4e-3),
    Band("sft_adapter", "lora", 3.5e9, 1e-4, 1e-3),
    Band("sft_adapter", "lora", 2e10, 5e-5, 5e-4),
    Band("sft_adapter", "lora", math.inf, 2e-5, 2e-4),
    Band("sft_adapter", "full", 5e8, 1e-5, 3e-4),
    Band("sft_adapter", "full", 3.5e9, 1e-5, 1e-4),
    Band("sft_adapter", "full", 2e10, 5e-6, 3e-5),
    Band("sft_adapter", "full", math.inf, 2e-6, 2e-5),
)


def training_checks(project: Path, domain: str | None = None) -> list[Check]:
    """The warnings of a domain's trainings, or that there are none."""
    if not (project / "config/config.yaml").exists():
        return []
    try:
        name = domain or default_domain(project)
        config = resolve(project, {"domain": name})
    except ConfigurationError as error:
        # doctor names what is wrong with the default domain's
        return [] if domain is None else [Check("training", False, str(error))]
    size = model_parameters(project / artifact_folder(name, "base_model"))
    found = [
        Check("training", True, f"domain {name}: {words}; see {PAGE}", is_warning=True)
        for words in advice(project, config, size)
    ]
    known = "" if size is not None else ", rates not compared (the model's size is known once base_model is built)"
    return found or [Check("training", True, f"domain {name}: within what the field does{known}")]


def advice(project: Path, config: DomainConfig, parameters: int | None) -> Iterator[str]:
    """What is outside its band, in words."""
    stages: list[tuple[str, str, Training]] = [("sft_adapter", "sft_tokens", config.sft_adapter)]
    if has_pretraining(config):
        stages.insert(0, ("pt_adapter", "pt_tokens", config.pt_adapter))
        share = config.corpus_split.replay_share
        if share < MIN_GENERAL_SHARE:
            yield (
                f"corpus_split.replay_share is {share:g}; at least {MIN_GENERAL_SHARE:g} of general text is usual, as the model"
                " forgets without"
            )
    trains_rows = any(
        section.trained_embeddings != "none" or section.method in ("full", "osf") for _, _, section in stages
    )
    if config.base_model.added_tokens and not trains_rows:
        yield (
            f"base_model.added_tokens names {len(config.base_model.added_tokens)}, and no training changes embeddings: they stay the"
            " mean of their pieces; trained_embeddings: added trains them"
        )
    for stage, tokens, section in stages:
        yield from _of_knobs(stage, section, parameters)
        meta = project / artifact_folder(config.domain, tokens) / "meta.json"
        if meta.exists():
            yield from _of_data(
                stage, section, json.loads(meta.read_text(encoding="utf-8")), _trained(project, config, stage)
            )


def kind_of(section: Training) -> str:
    """full, prompt or lora: what the section's method is alike to."""
    return KINDS.get(str(getattr(section, "method", "lora")), "lora")


def _of_knobs(stage: str, section: Training, parameters: int | None) -> Iterator[str]:
    kind = kind_of(section)
    if section.epochs > MAX_EPOCHS:
        yield f"{stage}.epochs is {section.epochs}; more than {MAX_EPOCHS} passes are learned by heart"
    rank = section.rank if kind == "lora" else None
    if rank is not None and not RANKS[0] <= rank <= RANKS[1]:
        yield f"{stage}.rank is {rank}; {RANKS[0]} to {RANKS[1]} are usual"
    if kind == "lora" and section.tokens_per_step is None and section.rows_per_step > MAX_ROWS_OF_LORA:
        yield f"{stage}.rows_per_step is {section.rows_per_step}; LoRA learns less from batches of more than {MAX_ROWS_OF_LORA} rows"
    if parameters is None:
        return
    if stage == "pt_adapter" and rank is not None and parameters > LARGE_MODEL and rank < MIN_RANK_OF_LARGE:
        yield (
            f"{stage}.rank is {rank} for {parameters / 1e9:.1f} billion parameters; continued pretraining has more to learn than"
            f" instruction tuning, and {MIN_RANK_OF_LARGE} to {RANKS[1]} are usual"
        )
    band = next(
        (each for each in BANDS if (each.stage, each.kind) == (stage, kind) and parameters <= each.parameters), None
    )
    if band is not None and not band.lowest <= section.learning_rate <= band.highest:
        yield (
            f"{stage}.learning_rate is {section.learning_rate:g}; {band.lowest:g} to {band.highest:g} are usual for {kind}"
            f" training of {parameters / 1e9:.2g} billion parameters"
        )


def _of_data(stage: str, section: Training, meta: dict[str, Any], trained: int | None) -> Iterator[str]:
    """trained: the parameters of the adapter, where it is built."""
    kind, tokens = kind_of(section), int(meta["loss_tokens"]["train"])
    if tokens < MIN_TOKENS.get(kind, 0):
        other = "an adapter forgets less" if kind == "full" else "the loss of so few says little"
        yield f"{stage} learns {tokens:,} tokens; for {kind} training at least {MIN_TOKENS[kind]:,} are usual, {other}"
    if tokens > MAX_TOKENS.get(kind, math.inf):
        yield f"{stage} learns {tokens:,} tokens; virtual tokens hold little, up to {MAX_TOKENS[kind]:,}: choose method lora"
    if kind == "lora" and trained is not None and tokens > TOKENS_PER_PARAMETER * trained:
        yield (
            f"{stage} learns {tokens:,} tokens with {trained:,} parameters; more than {TOKENS_PER_PARAMETER} tokens each are more"
            " than they hold: raise rank"
        )


def _trained(project: Path, config: DomainConfig, stage: str) -> int | None:
    stats = project / artifact_folder(config.domain, stage) / "stats.json"
    return int(json.loads(stats.read_text(encoding="utf-8"))["trainable_parameters"]) if stats.exists() else None


def model_parameters(folder: Path) -> int | None:
    """Parameters of a folder's checkpoint; None without its files."""
    total = 0
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length))
        total += sum(math.prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")
    return total or None
