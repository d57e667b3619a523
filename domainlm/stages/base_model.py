"""Artifact `base_model`: the base checkpoint as safetensors and a tokenizer.

In: the files of the source with role base_model (one GGUF file, or a Hugging Face folder). Out: a checkpoint folder
that plain transformers loads, and tokens.json. `domainlm.models.convert` describes the checks.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from domainlm.config.sources import BaseModelSlice
from domainlm.contract import Inputs, Resources, Stats
from domainlm.models.source_checkpoint import SourceCheckpoint, write_checkpoint


def run(inputs: Inputs, config: BaseModelSlice, out: Path, scratch: Path, resources: Resources) -> Stats:
    taken = SourceCheckpoint(
        "base_model",
        config.section,
        config.source,
        config.files,
        config.hub,
        config.has_system_turn,
        config.is_chat_form,
    )
    return asdict(write_checkpoint(taken, inputs, out, scratch, resources))
