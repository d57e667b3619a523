"""The graph of artifacts under a configuration: its nodes and edges."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domainlm.pipeline.table import Stage

if TYPE_CHECKING:
    from domainlm.config.domain import DomainConfig


def stage_inputs(stage: Stage, config: DomainConfig) -> tuple[str, ...]:
    """Upstream artifacts of a stage under a configuration, each once."""
    return tuple(input_edges(stage, config))


def input_edges(stage: Stage, config: DomainConfig) -> dict[str, bool]:
    """Upstream artifact -> whether a shard reads only the same shard."""
    found = {}
    for edge in stage.inputs:
        chosen = edge.chosen(config)
        # a rule names all that an edge can lead to, so another artifact would be an input that Snakemake does not know
        assert set(chosen) <= set(edge.names), (stage.name, chosen, edge.names)
        found.update(dict.fromkeys(chosen, edge.is_same_shard))
    return found


def is_part(stage: Stage, config: DomainConfig) -> bool:
    """Whether a stage is part of a domain's pipeline."""
    return stage.when is None or stage.when(config)


def compared_domains(stage: Stage, config: DomainConfig) -> tuple[str, ...]:
    """Other domains whose built results a stage reads."""
    if stage.compares is None:
        return ()
    section, knob = stage.compares.split(".")
    return tuple(getattr(getattr(config, section), knob))
