"""Artifact `sft_adapter`: the adapter of supervised fine-tuning.

In: `sft_tokens`, and the model that SFT starts from: the merged one, the base with the PT adapter, or the base alone. Out: an adapter
folder for plain peft, its loss curve and figures. An adapter that continues the PT adapter holds PT and SFT together.
"""

from __future__ import annotations

from pathlib import Path

from domainlm.config.instruction import SftAdapterSlice
from domainlm.contract import Inputs, Resources, Stats
from domainlm.training.job import Start
from domainlm.training.train import train_adapter


def run(inputs: Inputs, config: SftAdapterSlice, out: Path, scratch: Path, resources: Resources) -> Stats:
    start = config.start
    adapter = inputs.folders[start.adapter] if start.adapter is not None else None
    begun = Start(inputs.folders[start.checkpoint], start.checkpoint, adapter, learned_end="turn_end")
    return train_adapter(begun, inputs.folders["sft_tokens"], config.section, config.seed, out, scratch, resources)
