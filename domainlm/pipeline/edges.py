"""Edges of the graph: inputs of an artifact, and their conditions.

In: a resolved configuration. Out: the upstream artifacts of one edge; none where its condition does not hold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from domainlm.config.methods import PROMPTS
from domainlm.pipeline import chain

if TYPE_CHECKING:
    from domainlm.config.domain import DomainConfig

# artifacts that can be part of a model of the chain, in pipeline order
MODELS = ("base_model", "instruct_model", "pt_adapter", "merged_model", "instruct_residual", "sft_adapter")
Condition = Callable[["DomainConfig"], bool]


@dataclass(frozen=True)
class Edge:
    """One edge, or several that depend on the configuration in one way.

    names: the artifacts that it can lead to, in pipeline order. chosen: those that it leads to under a configuration.
    is_same_shard: whether a shard is made from the same shard of them, and not from the whole artifacts.
    """

    names: tuple[str, ...]
    chosen: Callable[[DomainConfig], tuple[str, ...]]
    is_same_shard: bool = False


def same(name: str) -> Edge:
    """The same shard of a sharded artifact."""
    return Edge((name,), lambda config: (name,), is_same_shard=True)


def whole(name: str, when: Condition | None = None) -> Edge:
    """A whole artifact, if its condition `when` holds or is not given."""
    return Edge((name,), lambda config: (name,) if when is None or when(config) else ())


def start_of_sft() -> Edge:
    """The checkpoint, and the adapter, that SFT starts from."""
    return Edge(
        ("base_model", "pt_adapter", "merged_model", "instruct_residual"),
        lambda config: chain.artifacts_of(chain.start_of_sft(config)),
    )


def all_models() -> Edge:
    """The checkpoints and adapters of every model that a domain trains."""
    return Edge(MODELS, lambda config: chain.artifacts_of(*chain.chain(config)))


def chat_form() -> Edge:
    """The checkpoint whose chat template and control tokens write conversations."""
    return Edge(("base_model", "instruct_model"), lambda config: (chain.chat_form(config),))


def has_seeds(config: DomainConfig) -> bool:
    """Whether the domain has examples for a relevance model.

    Without them there is no relevance_model.
    """
    return any(source.role == "seed" for source in config.sources.values())


def has_pretraining(config: DomainConfig) -> bool:
    """Whether SFT starts from a model of continued pretraining."""
    return chain.pretrained(config) is not None


def can_merge(config: DomainConfig) -> bool:
    """Whether what continued pretraining trains can become a checkpoint."""
    return has_pretraining(config) and config.pt_adapter.method not in PROMPTS


def is_merged(config: DomainConfig) -> bool:
    """Whether a model of the chain is the merged one."""
    return "merged_model" in chain.artifacts_of(*chain.chain(config))


def has_instruct(config: DomainConfig) -> bool:
    """Whether an instruct checkpoint is part of what SFT starts from."""
    return "instruct_residual" in chain.artifacts_of(*chain.chain(config))
