"""The mix of conversations by source and form, by learned tokens.

In: the source, form and number of learned tokens of each conversation, in the order in which they are taken; the
parts of the mix. Out: which are taken, and why the others are not. The part that is scarcest for its share is taken
whole, and the others as far as their shares go: nothing is repeated to fill a share. Tokens are counted and not
conversations, because ten short tasks teach less than one long conversation.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from domainlm.config.instruction import MixPart


@dataclass(frozen=True, slots=True)
class Mixed:
    """A conversation of the training split."""

    source: str
    form: str
    learned_tokens: int


def part_of(conversation: Mixed, parts: Sequence[MixPart]) -> int | None:
    """The number of the first part that matches, from 0."""

    def is_in(value: str, patterns: list[str] | None) -> bool:
        return patterns is None or any(fnmatchcase(value, pattern) for pattern in patterns)

    found = (
        number
        for number, part in enumerate(parts)
        if is_in(conversation.source, part.source) and is_in(conversation.form, part.form)
    )
    return next(found, None)


def left_out_of_mix(conversations: Sequence[Mixed], parts: Sequence[MixPart]) -> dict[int, str]:
    """Reason by place of what is not taken: not_in_mix or over_mix.

    Raises ValueError for a part that no conversation belongs to, or that would get none of its own.
    """
    if not parts:
        return {}
    places = [part_of(each, parts) for each in conversations]
    totals = [0] * len(parts)
    for place, each in zip(places, conversations, strict=True):
        if place is not None:
            totals[place] += each.learned_tokens
    for number, total in enumerate(totals):
        if not total:
            known = ", ".join(sorted({f"{each.source}: {each.form}" for each in conversations}))
            raise ValueError(f"part {number + 1} matches no conversation; expected sources and forms among {known}")
    whole = min(total / part.share for total, part in zip(totals, parts, strict=True))
    # rounded up, so that the scarcest part is taken whole
    budgets = [math.ceil(whole * part.share - 1e-9) for part in parts]
    taken = [0] * len(parts)
    left_out = {}
    for index, (place, each) in enumerate(zip(places, conversations, strict=True)):
        if place is None:
            left_out[index] = "not_in_mix"
        elif taken[place] + each.learned_tokens > budgets[place]:
            # a shorter one after it may fit
            left_out[index] = "over_mix"
        else:
            taken[place] += each.learned_tokens
    for number, (budget, tokens) in enumerate(zip(budgets, taken, strict=True)):
        # its share would go to the others without a word
        if not tokens:
            lengths = (each.learned_tokens for at, each in zip(places, conversations, strict=True) if at == number)
            raise ValueError(
                f"part {number + 1} comes to {budget} learned tokens, because another part is scarce; expected room for "
                f"its shortest conversation, which has {min(lengths)}: raise its share, or add conversations to the others"
            )
    return left_out


def shares_of(conversations: Sequence[Mixed], parts: Sequence[MixPart], left_out: Collection[int]) -> list[float]:
    """The share that each part has of the tokens taken."""
    totals = [0] * len(parts)
    for index, each in enumerate(conversations):
        if index not in left_out and (place := part_of(each, parts)) is not None:
            totals[place] += each.learned_tokens
    return [total / max(sum(totals), 1) for total in totals]
