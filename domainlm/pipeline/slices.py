"""The slice of the configuration that a stage depends on.

In: a stage, a resolved configuration. Out: its own section, the top-level values that it shares, and single knobs of other sections,
defaults written out. It enters the action key as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from domainlm.pipeline.table import Stage

if TYPE_CHECKING:
    from domainlm.config.domain import DomainConfig

# knobs of other sections in a stage's slice, by their key in it
OTHER_KNOBS = {
    # how it is known that a text repeats another
    "corpus_split": {
        "evaluation_threshold": "unique_shards.evaluation_threshold",
        "shingle_words": "unique_shards.shingle_words",
    },
    "eval_results": {
        "relay": "sft_adapter.relay",
        "system_prompt": "sft_tokens.system_prompt",
        "template_date": "sft_tokens.template_date",
    },
}


def config_slice(stage: Stage, config: DomainConfig) -> dict[str, object]:
    """What of the configuration a stage's result depends on, defaults written out."""
    values = config.model_dump(mode="json")
    section: dict[str, object] = values[stage.name]
    found: dict[str, object] = {"section": section, **{key: values[key] for key in stage.shared}}
    for key, knob in OTHER_KNOBS.get(stage.name, {}).items():
        owner, name = knob.split(".")
        found[key] = values[owner][name]
    return found
