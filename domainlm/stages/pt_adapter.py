"""Artifact `pt_adapter`: the adapter of continued pretraining.

In: `pt_tokens` and `base_model`. Out: an adapter folder for plain peft, its loss curve and figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from domainlm.config.models import PtAdapter
from domainlm.models.train import Start, train_adapter
from domainlm.stage import Inputs, Resources, Stats


def run(inputs: Inputs, config: Mapping[str, Any], out: Path, scratch: Path, resources: Resources) -> Stats:
    section = PtAdapter.model_validate(config["section"])
    start = Start(inputs.path("base_model"), "base_model")
    return train_adapter(start, inputs.path("pt_tokens"), section, config["seed"], out, scratch, resources)
