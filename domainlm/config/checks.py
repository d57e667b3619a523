"""Checks of a whole configuration, which no single section can make.

In: a configuration whose sections are right by themselves. Out: nothing, or an error that names the keys, the values,
and the fix.
"""

from __future__ import annotations

import difflib
from fnmatch import fnmatchcase
from typing import Any

from domainlm.config.domain import DomainConfig
from domainlm.config.errors import ConfigurationError
from domainlm.config.methods import LOW_RANK, PROMPTS, WHOLE
from domainlm.config.training import Training


def check_whole(config: DomainConfig) -> None:
    """Raise ConfigurationError where sections do not fit together."""
    check_roles(config)
    check_policy(config)
    check_presets(config)
    check_compared(config)
    check_added_tokens(config)
    check_methods(config)


def nearest(name: str, known: list[str]) -> str:
    """A hint at the name that was meant."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"valid are {', '.join(sorted(known))}"


def check_roles(config: DomainConfig) -> None:
    """Raise ConfigurationError where the sources cannot make a build."""
    roles = [source.role for source in config.sources.values()]
    where = f"domain {config.domain}: sources"
    if roles.count("base_model") != 1:
        raise ConfigurationError(
            f"{where}: expected exactly one with role base_model, found {roles.count('base_model')}"
        )
    is_residual = config.sft_adapter.relay == "instruct_residual"
    if roles.count("instruct_model") > 1 or (is_residual and "instruct_model" not in roles):
        raise ConfigurationError(
            f"{where}: sft_adapter.relay is {config.sft_adapter.relay}, and {roles.count('instruct_model')} have role"
            f" instruct_model; expected {'exactly' if is_residual else 'at most'} one, the instruct checkpoint of the same release"
            " as the base model: NAME: {role: instruct_model, local: FOLDER}, or another sft_adapter.relay"
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


def check_policy(config: DomainConfig) -> None:
    """Raise ConfigurationError where a rule names an unknown source.

    Such a rule would match nothing.
    """
    for number, rule in enumerate(config.policy):
        for pattern in rule.where.source or ():
            if not any(fnmatchcase(name, pattern) for name in config.sources):
                raise ConfigurationError(
                    f"domain {config.domain}: policy.{number}.where.source: {pattern!r} matches no source; "
                    f"{nearest(pattern, list(config.sources))}"
                )


def check_presets(config: DomainConfig) -> None:
    """Raise ConfigurationError where quality rules are chosen for an unknown source."""
    for name in sorted(config.clean_shards.source_presets.keys() - config.sources.keys()):
        raise ConfigurationError(
            f"domain {config.domain}: clean_shards.source_presets names the source {name}, which is not in sources; "
            f"{nearest(name, list(config.sources))}"
        )


def check_compared(config: DomainConfig) -> None:
    """Raise ConfigurationError where a domain is compared with itself.

    It would wait for its own results.
    """
    if config.domain in config.eval_results.compare:
        raise ConfigurationError(
            f"domain {config.domain}: eval_results.compare names {config.domain} itself; expected other domains, whose results are "
            "built: remove it"
        )


def check_added_tokens(config: DomainConfig) -> None:
    """Raise ConfigurationError for added tokens that cannot be had, or trained.

    The difference of a pair of checkpoints is added row by row, so neither may be given tokens.
    """
    for name, section in (("base_model", config.base_model), ("instruct_model", config.instruct_model)):
        if section.added_tokens and (name == "instruct_model" or config.sft_adapter.relay == "instruct_residual"):
            raise ConfigurationError(
                f"domain {config.domain}: {name}.added_tokens names {', '.join(section.added_tokens)}, and sft_adapter.relay"
                f" is {config.sft_adapter.relay}; expected none, as an instruct model has no rows for them: remove the key, or set"
                " base_model.added_tokens and sft_adapter.relay: merge"
            )
    for name, training in (("pt_adapter", config.pt_adapter), ("sft_adapter", config.sft_adapter)):
        if training.trained_embeddings == "added" and not config.base_model.added_tokens:
            raise ConfigurationError(
                f"domain {config.domain}: {name}.trained_embeddings is added, and base_model.added_tokens names none; expected some:"
                f" name them, or set {name}.trained_embeddings to none or all"
            )


# knobs of some methods, their values that say nothing, and the methods that know them. Not rank and alpha: they stand in
# most files that others extend
OF_METHODS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "lora_plus_ratio": (16.0, ("lora_plus",)),
    "osf_kept_share": (0.5, ("osf",)),
    "virtual_tokens": (20, PROMPTS),
    "dropout": (0.0, LOW_RANK),
    "layers": (None, (*LOW_RANK, "osf")),
    "trained_embeddings": ("none", LOW_RANK),
    # the base is what is left when the adapter is switched off, which lengths of weights (DoRA) do not allow
    "kl_weight": (0.0, tuple(method for method in LOW_RANK if method != "dora")),
    "target_modules": ("all-linear", (*LOW_RANK, "osf")),
    # virtual tokens are embedded apart from the row whose noise it would be
    "neftune_alpha": (0.0, (*LOW_RANK, *WHOLE)),
    # of PiSSA and OSF it would pull at parts of the weight itself, of DoRA at the lengths
    "weight_decay": (0.0, ("lora", "rslora", "lora_plus", "qlora", "full", *PROMPTS)),
}
# what an adapter that is trained further must have in common with the one that it was
SHAPE = ("method", "rank", "alpha", "target_modules", "layers", "virtual_tokens", "dropout")


def check_methods(config: DomainConfig) -> None:
    """Raise ConfigurationError where a method cannot do what is asked of it."""
    where, relay, first = f"domain {config.domain}", config.sft_adapter.relay, config.pt_adapter
    sections: dict[str, Training] = {"pt_adapter": first, "sft_adapter": config.sft_adapter}
    for name, section in sections.items():
        for key, (neutral, known) in OF_METHODS.items():
            found = getattr(section, key)
            if section.method not in known and found != neutral:
                raise ConfigurationError(
                    f"{where}: {name}.{key} is {found}, and method {section.method} has no such choice; expected {neutral}:"
                    f" remove the key, or set {name}.method to one of {', '.join(known)}"
                )
        if section.kl_weight and section.trained_embeddings != "none":
            raise ConfigurationError(
                f"{where}: {name}.kl_weight is {section.kl_weight} and {name}.trained_embeddings {section.trained_embeddings};"
                " expected one of them, as embeddings that are trained cannot be switched off to compare with the base: set"
                " kl_weight to 0, or trained_embeddings to none"
            )
    # every other relay needs the merged model
    if relay not in ("continue", "none") and first.method in PROMPTS:
        raise ConfigurationError(
            f"{where}: pt_adapter.method is {first.method}, whose virtual tokens no weight can hold, and sft_adapter.relay is"
            f" {relay}; expected a method that merges (lora), or sft_adapter.relay: continue (SFT trains the same virtual tokens)"
            " or none (SFT starts from the base)"
        )
    if relay == "continue" and any(section.trained_embeddings != "none" for section in sections.values()):
        raise ConfigurationError(
            f"{where}: sft_adapter.relay is continue, and pt_adapter or sft_adapter trains embeddings (trained_embeddings);"
            " expected none, as embeddings that were trained are not trained further: set sft_adapter.relay to merge"
        )
    for key in SHAPE if relay == "continue" else ():
        one, two = (getattr(section, key) for section in sections.values())
        if one != two:
            raise ConfigurationError(
                f"{where}: sft_adapter.relay is continue, pt_adapter.{key} is {one} and sft_adapter.{key} is {two}; expected one"
                " value, as SFT trains the PT adapter further: set both to it, or sft_adapter.relay to merge"
            )
