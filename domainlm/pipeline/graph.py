"""The graph of artifacts under a configuration: its nodes and edges."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domainlm.pipeline.table import Stage

if TYPE_CHECKING:
    from domainlm.config.domain import DomainConfig


def stage_inputs(stage: Stage, config: DomainConfig) -> tuple[str, ...]:
    """Upstream artifacts of a stage under a configuration, each once."""
    return tuple(dict.fromkeys(name for edge in stage.inputs for name in edge.chosen(config)))


def is_part(stage: Stage, config: DomainConfig) -> bool:
    """Whether a stage is part of a domain's pipeline."""
    return stage.when is None or stage.when(config)


def compared_domains(stage: Stage, config: DomainConfig) -> tuple[str, ...]:
    """Other domains whose built results a stage reads."""
    if stage.compares is None:
        return ()
    section, knob = stage.compares.split(".")
    return tuple(getattr(getattr(config, section), knob))
