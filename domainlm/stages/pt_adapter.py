"""Artifact `pt_adapter`: the adapter of continued pretraining.

In: `pt_tokens` and `base_model`. Out: an adapter folder for plain peft, its loss curve and figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from domainlm.config.pretraining import PtAdapter
from domainlm.contract import Inputs, Resources, Stats
from domainlm.training.train import Start, train_adapter


def run(inputs: Inputs, config: Mapping[str, Any], out: Path, scratch: Path, resources: Resources) -> Stats:
    section = PtAdapter.model_validate(config["section"])
    start = Start(inputs.folders["base_model"], "base_model")
    return train_adapter(start, inputs.folders["pt_tokens"], section, config["seed"], out, scratch, resources)
