"""The graph of artifacts under a configuration: which are part of it, and what each is made from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domainlm.pipeline.table import Stage

if TYPE_CHECKING:
    from domainlm.config.domain import DomainConfig


def stage_inputs(stage: Stage, config: DomainConfig) -> tuple[str, ...]:
    """Upstream artifacts of a stage under a configuration, in order."""
    relay = config.sft_adapter.relay
    extra: tuple[str, ...] = ()
    if stage.name in ("sft_adapter", "eval_results"):
        extra = {"merge": ("merged_model",), "continue": ("base_model", "pt_adapter"), "none": ("base_model",)}[relay]
    elif stage.name == "eval_report" and relay != "none":
        extra = ("pt_tokens", "pt_adapter", *(("merged_model",) if relay == "merge" else ()))
    if stage.name in ("unique_shards", "eval_report") and has_seeds(config):
        extra = (*extra, "relevance_model")
    return tuple(dict.fromkeys((*stage.inputs, *extra)))


def has_seeds(config: DomainConfig) -> bool:
    """Whether the domain has examples to tell what is of it: without them there is no relevance_model."""
    return any(source.role == "seed" for source in config.sources.values())


def is_part(stage: Stage, config: DomainConfig) -> bool:
    """Whether a stage has a place in a domain's pipeline under its configuration."""
    if stage.name in ("pt_tokens", "pt_adapter", "merged_model"):
        return config.sft_adapter.relay != "none"
    return stage.name != "relevance_model" or has_seeds(config)


def compared_domains(stage: Stage, config: DomainConfig) -> tuple[str, ...]:
    """Other domains whose built results a stage reads."""
    return tuple(config.eval_results.compare) if stage.name == "eval_results" else ()
