"""The chain of models that a domain trains.

In: a resolved configuration. Out: the models that are compared, from base to SFT, each given by the artifacts that hold
its checkpoint and its adapter; and the checkpoint whose chat form conversations have. `sft_adapter.relay` is interpreted
here alone, and that a method trains a whole checkpoint. Stages are given models, not the relay, so one more training
stage is one more entry here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from domainlm.config.methods import WHOLE

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
INSTRUCT = Model("instruct", "instruct_model", None)
MERGED = Model("pt", "merged_model", None)
# the models between base and SFT, by relay, but for `continue`; SFT starts from the last one, or from the base
_BETWEEN: dict[str, tuple[Model, ...]] = {
    "merge": (MERGED,),
    "none": (),
    # the instruct model itself is measured beside what it became part of
    "instruct_residual": (INSTRUCT, MERGED, Model("residual", "instruct_residual", None)),
}


def chain(config: DomainConfig) -> tuple[Model, ...]:
    """The models of a domain, in the order of comparison.

    Without continued pretraining there is no PT model.
    """
    relay = config.sft_adapter.relay
    before: tuple[Model, ...]
    if relay == "continue":
        before = (BASE, _trained("pt", BASE, "pt_adapter", config.pt_adapter.method))
    else:
        before = (BASE, *_BETWEEN[relay])
    return (*before, _trained("sft", before[-1], "sft_adapter", config.sft_adapter.method))


def _trained(name: str, start: Model, artifact: str, method: str) -> Model:
    """A model that an artifact makes of the one it starts from."""
    return Model(name, artifact, None) if method in WHOLE else Model(name, start.checkpoint, artifact)


def pretrained(config: DomainConfig) -> Model | None:
    """The model after continued pretraining, if any."""
    return next((model for model in chain(config) if model.name == "pt"), None)


def start_of_sft(config: DomainConfig) -> Model:
    """The model whose weights SFT begins with."""
    return chain(config)[-2]


def chat_form(config: DomainConfig) -> str:
    """The checkpoint by whose chat template conversations are written."""
    return INSTRUCT.checkpoint if INSTRUCT in chain(config) else BASE.checkpoint


def artifacts_of(*models: Model) -> tuple[str, ...]:
    """The artifacts that hold models, each once."""
    return tuple(
        dict.fromkeys(name for model in models for name in (model.checkpoint, model.adapter) if name is not None)
    )
