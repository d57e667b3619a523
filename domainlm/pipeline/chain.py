"""The chain of models that a domain trains.

In: a resolved configuration. Out: base, PT and SFT model, each given by the artifacts that hold its checkpoint and its
adapter. `sft_adapter.relay` is interpreted here alone. Stages are given models, not the relay, so one more training
stage is one more entry here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from domainlm.config.domain import DomainConfig


@dataclass(frozen=True)
class Model:
    """One model: the artifacts that hold its checkpoint and its adapter.

    adapter: None for the checkpoint alone. `domainlm.config.section.Model` is the form in which a stage receives it.
    This one needs no pydantic, which a build that finds its result does not load.
    """

    name: str
    checkpoint: str
    adapter: str | None


BASE = Model("base", "base_model", None)
# the model that SFT starts from after continued pretraining, by relay
_PRETRAINED = {
    "merge": Model("pt", "merged_model", None),
    "continue": Model("pt", "base_model", "pt_adapter"),
    "none": None,
}


def chain(config: DomainConfig) -> tuple[Model, ...]:
    """The models of a domain in the order of training.

    Without continued pretraining there is no PT model.
    """
    pretrained = _PRETRAINED[config.sft_adapter.relay]
    start = pretrained or BASE
    tuned = Model("sft", start.checkpoint, "sft_adapter")
    return (BASE, pretrained, tuned) if pretrained is not None else (BASE, tuned)


def start_of_sft(config: DomainConfig) -> Model:
    """The model whose weights SFT begins with."""
    return chain(config)[-2]


def artifacts_of(*models: Model) -> tuple[str, ...]:
    """The artifacts that hold models, each once."""
    return tuple(
        dict.fromkeys(name for model in models for name in (model.checkpoint, model.adapter) if name is not None)
    )
