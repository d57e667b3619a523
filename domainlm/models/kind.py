"""Whether a checkpoint was pretrained only, or also instructed.

In: a checkpoint's folder and the names that it goes by. Out: `base`, `instruct` or `unclear`, with the evidence in
words. A checkpoint does not say it. A chat template alone does not either: Qwen's base models bring one, too. So the name
counts, and the token that ends what the model writes by itself: it ends a turn in an instruct model, and a text in a base
model. Nothing depends on the answer: `domainlm doctor` and the report show it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from domainlm.models.checkpoint_files import GGUF_NAME
from domainlm.models.checkpoint_settings import read_object
from domainlm.models.gguf_header import read_gguf_header
from domainlm.tokens.special import SpecialTokens

SETTINGS = "tokenizer_config.json"
_INSTRUCT = re.compile(r"(?<![a-z])(?:instruct|instruction|chat|it|sft|dpo|rlhf|assistant)(?![a-z])", re.IGNORECASE)
_BASE = re.compile(r"(?<![a-z])(?:base|pretrained|pt)(?![a-z])", re.IGNORECASE)


def has_own_template(source: Path) -> bool:
    """Whether a source brings a chat template.

    It is asked before another one is put in its place.
    """
    if (source / GGUF_NAME).exists():
        return bool(read_gguf_header(source / GGUF_NAME).get("tokenizer.chat_template"))
    if any((source / name).exists() for name in ("chat_template.jinja", "chat_template.json")):
        return True
    return (source / SETTINGS).exists() and bool(read_object(source / SETTINGS).get("chat_template"))


def kind_by_name(names: Sequence[str]) -> tuple[str, list[str]]:
    """The kind that names tell, and the evidence."""
    tuned = [name for name in names if _INSTRUCT.search(name)]
    plain = [name for name in names if _BASE.search(name) and name not in tuned]
    found = [f"its name is {name}" for name in (*tuned, *plain)]
    return ("unclear" if bool(tuned) == bool(plain) else "instruct" if tuned else "base"), found


def kind_of(folder: Path, tokens: SpecialTokens | None, has_template: bool, names: Sequence[str]) -> dict[str, Any]:
    """Kind and evidence of a written checkpoint.

    tokens: those of its own chat template; None if another was given.
    """
    by_name, evidence = kind_by_name(names)
    if not has_template:
        evidence.append("it has no chat template of its own")
        by_end = "base"
    else:
        evidence.append("it has a chat template of its own")
        by_end = "unclear"
        eos = _end_of_sequence(folder)
        if tokens is not None and eos is not None:
            is_turn = eos == tokens.turn_end
            by_end = "instruct" if is_turn else "base"
            evidence.append(f"its end token {eos} ends {'a turn of that template' if is_turn else 'no turn of it'}")
    kinds = {by_name, by_end} - {"unclear"}
    # a name says what was done; some instruct models (Gemma) keep the end token of their base
    kind = by_name if by_name != "unclear" and (by_name == "instruct" or len(kinds) == 1) else by_end
    return {"kind": "unclear" if by_name == "base" and by_end == "instruct" else kind, "evidence": evidence}


def _end_of_sequence(folder: Path) -> str | None:
    path = folder / SETTINGS
    value = read_object(path).get("eos_token") if path.exists() else None
    value = value.get("content") if isinstance(value, dict) else value
    return value if isinstance(value, str) else None
