"""The chain of models that a domain trains.

In: a resolved configuration. Out: base, PT and SFT model, each given by the artifacts that hold its checkpoint and its
adapter. `sft_adapter.relay` is interpreted here alone, and that a method trains a whole checkpoint. Stages are given
models, not the relay, so one more training stage is one more entry here.
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
MERGED = Model("pt", "merged_model", None)


def chain(config: DomainConfig) -> tuple[Model, ...]:
    """The models of a domain in the order of training.

    Without continued pretraining there is no PT model.
    """
    relay = config.sft_adapter.relay
    models = [BASE]
    if relay == "merge":
        models.append(MERGED)
    if relay == "continue":
        models.append(_trained("pt", BASE, "pt_adapter", config.pt_adapter.method))
    models.append(_trained("sft", models[-1], "sft_adapter", config.sft_adapter.method))
    return tuple(models)


def _trained(name: str, start: Model, artifact: str, method: str) -> Model:
    """A model that an artifact makes of the one it starts from."""
    return Model(name, artifact, None) if method in WHOLE else Model(name, start.checkpoint, artifact)


def start_of_sft(config: DomainConfig) -> Model:
    """The model whose weights SFT begins with."""
    return chain(config)[-2]


def artifacts_of(*models: Model) -> tuple[str, ...]:
    """The artifacts that hold models, each once."""
    return tuple(
        dict.fromkeys(name for model in models for name in (model.checkpoint, model.adapter) if name is not None)
    )
