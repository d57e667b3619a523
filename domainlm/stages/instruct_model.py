"""Artifact `instruct_model`: the instruct checkpoint of the base model's release.

In: the files of the source with role instruct_model, and `base_model`. Out: a checkpoint folder like `base_model`, made
in the same way. Property kept: its tokenizer and its shape are the base model's, so that the difference of the two can be
added to what continued pretraining makes of the base. A wrong pair is refused here, before anything is trained.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from domainlm.config.instruct import InstructModelSlice
from domainlm.contract import Inputs, Resources, Stats
from domainlm.models.pair import check_pair
from domainlm.models.source_checkpoint import SourceCheckpoint, write_checkpoint


def run(inputs: Inputs, config: InstructModelSlice, out: Path, scratch: Path, resources: Resources) -> Stats:
    taken = SourceCheckpoint(
        "instruct_model", config.section, config.source, config.files, config.hub, config.has_system_turn
    )
    tokens = write_checkpoint(taken, inputs, out, scratch, resources)
    check_pair(inputs.folders["base_model"], out)
    return asdict(tokens)
