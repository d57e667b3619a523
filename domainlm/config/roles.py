"""The check that a domain's sources can make a build.

In: a validated configuration. Out: nothing, or ConfigurationError with the role that lacks and the fix. A domain has a
corpus, or conversations alone on the bare base model.
"""

from __future__ import annotations

from domainlm.config.domain import DomainConfig
from domainlm.config.errors import ConfigurationError


def check_roles(config: DomainConfig) -> None:
    """Raise ConfigurationError where the sources cannot make a build."""
    roles = [source.role for source in config.sources.values()]
    where = f"domain {config.domain}: sources"
    if roles.count("base_model") != 1:
        raise ConfigurationError(
            f"{where}: expected exactly one with role base_model, found {roles.count('base_model')}"
        )
    if "corpus" not in roles and ("instruction" not in roles or config.sft_adapter.relay != "none"):
        fix = "NAME: {role: corpus, local: FOLDER}; or learn conversations alone: role instruction, sft_adapter.relay: none"
        raise ConfigurationError(f"{where}: none has role corpus; add a folder: {fix}")
    if "seed" in roles and "replay" not in roles:
        raise ConfigurationError(
            f"{where}: role seed needs general text for contrast, but none has role replay; add a folder: "
            "NAME: {role: replay, local: FOLDER}"
        )
    if config.corpus_split.replay_share > 0 and "replay" not in roles:
        raise ConfigurationError(
            f"{where}: corpus_split.replay_share is {config.corpus_split.replay_share} but none has role replay; "
            "add one or set replay_share: 0.0"
        )
    split = config.corpus_split
    if split.validation_share + split.test_share >= 1:
        raise ConfigurationError(
            f"corpus_split: validation_share {split.validation_share} + test_share {split.test_share} leave nothing to train on"
        )
