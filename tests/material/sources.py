"""Configurations of a base model and a few sources."""

from __future__ import annotations

from typing import Any

from domainlm.config.domain import DomainConfig

FETCH = {"package": "p", "version": "1", "sha256": "0" * 64}


def config(shards: int = 2, **sources: Any) -> DomainConfig:
    model = {"role": "base_model", "fetch": {**FETCH, "member": "m.gguf"}}
    values = {"raw_corpus": {"shards": shards, "segment_bytes": 1000}, "sources": {"model": model, **sources}}
    return DomainConfig.model_validate(values)
