"""The split of own conversations into train, validation and test.

In: the facts of imported conversations, the shares to hold out. Out: the split of each, and those that are left out.
Whole groups are held out: the values of `documents.group_field`, or files, because the conversations of one file are
often of one case. A file that is itself larger than the smallest share cannot be held out; its records stand for
themselves, those of one title together. A field's value that documents of the corpus have, too, is on their side of
the split: a patient whose notes are tested on is not learned from in conversations. A training conversation in which
the user says the same as in a held-out one is left out: its answer would be a test's.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from domainlm.text.characters import is_word, tokens, words
from domainlm.text.document import Document
from domainlm.text.split import held_out_groups
from domainlm.text.stable_hash import stable_hash

HELD_OUT = ("test", "validation")
# between words, not between numbers
_HYPHEN = re.compile(r"(?<=[^\s0-9])[-‐‑–—/](?=[^\s0-9])")
# marks that may differ between two writings of one question
_PUNCTUATION = frozenset(".,;:!?\"'`“”‘’„«»()…。，；：！？、（）「」『』《》·")


@dataclass(frozen=True, slots=True)
class Own:
    """The facts of a conversation that the split needs.

    asked: a digest of the user's words.
    """

    id: str
    file: tuple[str, str]
    group: str
    asked: bytes


def own_of(document: Document) -> Own:
    turns = json.loads(document.meta)["messages"]
    asked = " / ".join(_said(turn["content"]) for turn in turns if turn["role"] == "user")
    return Own(document.id, (document.source, document.path), document.group, stable_hash(0, asked))


def _said(text: str) -> str:
    """A user's words, by which two questions are the same.

    With the signs of formulas and code: 3 + 4 and 3 - 4 are two questions, and one of signs alone is not every other.
    """
    text = _HYPHEN.sub(" ", text)
    return " ".join([*words(text), *(sign for sign in tokens(text) if not is_word(sign) and sign not in _PUNCTUATION)])


def groups_of(found: Sequence[Own], smallest: float) -> dict[str, str]:
    """The group of each conversation, by id.

    smallest: the smallest share that is held out.
    """
    sizes = Counter(own.file for own in found)
    groups = {}
    for own in found:
        source, path = own.file
        if has_field_s_group(own):
            groups[own.id] = own.group
        elif sizes[own.file] <= smallest * len(found):
            groups[own.id] = f"{source}\0{path}"
        else:
            groups[own.id] = f"{source}\0{own.group}"
    return groups


def has_field_s_group(own: Own) -> bool:
    """Whether a conversation's group is the value of a field.

    Such a value is one group in whichever file it is.
    """
    return not own.group.startswith(f"{own.file[1]}#")


def split_of_own(
    found: Sequence[Own],
    shares: Mapping[str, float],
    needed: Collection[str],
    seed: int,
    of_corpus: Mapping[str, str] = MappingProxyType({}),
) -> tuple[dict[str, str], list[str]]:
    """Split of each conversation by id, and the ids left out.

    of_corpus: the split of groups that documents have, too, where their conversations stay with them. shares: of `test`
    and `validation`. needed: those that have nothing else, and get a group however small the share is. Too few groups
    for all parts are all trained on.
    """
    wanted = {
        name: shares[name]
        for name in HELD_OUT
        if shares[name] > 0 and (name in needed or _rounded(found, shares[name]))
    }
    groups = groups_of(found, min(wanted.values(), default=0.0))
    sizes = Counter(group for group in groups.values() if group not in of_corpus)
    held_out = held_out_groups(sizes, wanted, seed) if wanted and len(sizes) > len(wanted) else {}
    sides = {**of_corpus, **held_out}
    split = {own.id: sides.get(groups[own.id], "train") for own in found}
    asked: set[bytes] = set()
    left_out = []
    for name in (*HELD_OUT, "train"):
        here = [own for own in found if split[own.id] == name]
        repeats = [own.id for own in here if own.asked in asked]
        asked.update(own.asked for own in here)
        left_out += repeats
    for identifier in left_out:
        del split[identifier]
    return split, left_out


def _rounded(found: Sequence[Own], share: float) -> int:
    return int(len(found) * share + 0.5)
