"""Artifact `pt_adapter`: the adapter of continued pretraining.

In: `pt_tokens` and `base_model`. Out: an adapter folder for plain peft, its loss curve and figures.
"""

from __future__ import annotations

from pathlib import Path

from domainlm.config.pretraining import PtAdapterSlice
from domainlm.contract import Inputs, Resources, Stats
from domainlm.training.job import Start
from domainlm.training.train import train_adapter


def run(inputs: Inputs, config: PtAdapterSlice, out: Path, scratch: Path, resources: Resources) -> Stats:
    section = config.section
    start = Start(inputs.folders["base_model"], "base_model")
    return train_adapter(start, inputs.folders["pt_tokens"], section, config.seed, out, scratch, resources)
