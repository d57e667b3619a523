"""Artifact `sft_adapter`: the adapter of supervised fine-tuning.

In: `sft_tokens`, and by `relay` the merged model (merge), base and PT adapter (continue), or the base alone (none).
Out: an adapter folder for plain peft, its loss curve and figures. With `continue` it holds PT and SFT together.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from domainlm.config.instruction import SftAdapter
from domainlm.contract import Inputs, Resources, Stats
from domainlm.training.train import Start, train_adapter


def run(inputs: Inputs, config: Mapping[str, Any], out: Path, scratch: Path, resources: Resources) -> Stats:
    section = SftAdapter.model_validate(config["section"])
    if section.relay == "merge":
        start = Start(inputs.folders["merged_model"], "merged_model")
    else:
        adapter = inputs.folders["pt_adapter"] if section.relay == "continue" else None
        start = Start(inputs.folders["base_model"], "base_model", adapter)
    return train_adapter(start, inputs.folders["sft_tokens"], section, config["seed"], out, scratch, resources)
