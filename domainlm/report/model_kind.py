"""Base or instruct: what it means for continued pretraining, in words.

In: the kind of a checkpoint with its evidence (`domainlm.models.kind`), the models that a domain trains. Out: sentences,
the same in the report and in `domainlm doctor`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

_LOOKS = {
    "base": "looks like a base model, trained on text alone",
    "instruct": "looks like an instruct model",
    "unclear": "may be a base or an instruct model",
}
PT_ON_INSTRUCT = (
    "Continued pretraining of an instruct model loses instruction following, which SFT has to teach again; if the release has"
    " a base checkpoint, pretrain that one and add the difference: sft_adapter.relay: instruct_residual."
)
BASE_IS_INSTRUCT = (
    "It is the base of an instruct residual, which should be the checkpoint before instruction: the difference is only what"
    " came between the two."
)
INSTRUCT_IS_BASE = "It is added as the instruct model, so that nothing of it may follow instructions."


def kind_sentence(artifact: str, name: str, kind: str, evidence: Sequence[str], models: Collection[str]) -> str:
    """What is known of a checkpoint, from what, and what follows.

    artifact: base_model or instruct_model. models: names of the models that the domain trains.
    """
    label = artifact.replace("_", " ")
    said = f"The {label} {name} {_LOOKS[kind]} ({'; '.join(evidence) or 'nothing tells'})."
    if artifact == "instruct_model":
        return f"{said} {INSTRUCT_IS_BASE}" if kind == "base" else said
    if kind != "instruct" or "pt" not in models:
        return said
    return f"{said} {BASE_IS_INSTRUCT if 'residual' in models else PT_ON_INSTRUCT}"


def kind_sentences(sources: Mapping[str, Mapping[str, Any]], models: Collection[str]) -> list[str]:
    """A sentence for each checkpoint whose kind was looked for."""
    return [
        kind_sentence(artifact, source["source"], source["kind"], source["evidence"], models)
        for artifact, source in sources.items()
        if "kind" in source
    ]
