"""Whether an English sentence can be read without the text around it.

In: a sentence or clause. Out: whether it points to a list or figure beside it, only says where to read on, goes on from
the sentence before, or holds a word that means something outside it.
"""

from __future__ import annotations

import re
from collections.abc import Set

from domainlm.instruction.english_words import NOT_A_TERM, POINTING_FIRST, PRONOUNS, VERBS
from domainlm.text.characters import words

_PARTS = (
    "examples?|tables?|figures?|lists?|listings?|screenshots?|sections?|chapters?|snippets?|diagrams?|commands?|code"
)
_SAID = "shown|listed|described|given|explained|discussed|seen|mentioned|defined|noted"
_DANGLING = re.compile(
    r"\bas follows\b|\b(?:the|in) following\b|\bfollowings?(?: [\w-]+)?\W*\Z"
    rf"|\b(?:above|following|previous|preceding|next|this) (?:{_PARTS})\b|\b(?:{_PARTS}) (?:below|above)\W*\Z"
    r"|\b(?:below|above)(?:\W*\Z|[),;])|\bsee (?:above|below)\b|\A(?:Here|There)(?:'s| is| are) (?:an? |the |some )?(?:list|example)"
    rf"|\AHere(?:'s| is| are)\b|\b(?:{_SAID}) (?:here|earlier|later)\W*\Z|\bas (?:{_SAID}) (?:in|above|below|earlier)\b"
    r"|(?:\.\.\.|…)\W*\Z",
    re.IGNORECASE | re.ASCII,
)
_REFERENCE = re.compile(
    r"\(?(?:see|see also|cf\.|refer|please (?:see|refer|read|consult|check|note)|consult|read|source:|retrieved|stability:"
    r"|for (?:more|further|additional|full|complete|detailed|an? (?:full|complete|detailed))"
    r"|(?:more|further|additional) (?:information|details|documentation)|details (?:about|on|of|can|are)|usage:"
    r"|available (?:at|from)|added in|changed in|deprecated since|copyright|new in version)(?!\w)"
    r"|.*\b(?:is|are) (?:described|documented|discussed|explained|covered|listed|available|given) (?:in|at|on|under) (?:the )?"
    r"(?:section|chapter|appendix|table|figure|https?:|[\"“]|documentation|manual)",
    re.IGNORECASE | re.ASCII,
)
DEMONSTRATIVE = re.compile(
    r"\b(?:this|these|those|them|such(?! as)|neither|the same|the former|the latter)\b", re.ASCII | re.IGNORECASE
)
_ENUMERATOR = re.compile(r"\(?[0-9]+(?:\.[0-9]+)*[.):]\s")
_BALANCE = (("(", ")"), ("[", "]"), ("“", "”"), ("{", "}"))
_MARKS = "\"'“”‘’(),.:;"


def is_dangling(sentence: str) -> bool:
    """Whether a sentence points to a list, code or figure beside it."""
    return bool(_DANGLING.search(sentence))


def is_reference(sentence: str) -> bool:
    """Whether a sentence only says where to read on."""
    return bool(_REFERENCE.match(sentence))


def is_pointing(sentence: str) -> bool:
    """Whether a sentence begins by pointing to the one before it."""
    first = (sentence.split() or [""])[0].strip(_MARKS).lower()
    return first in POINTING_FIRST or bool(_ENUMERATOR.match(sentence))


def is_about_heading(sentence: str) -> bool:
    """Whether `this` or `it` at a section's beginning means its heading.

    It does before a verb or a general word: It returns, This method returns.
    """
    parts = sentence.split(" ", 2)
    if parts[0] not in ("This", "These", "It") or len(parts) < 3:
        return False
    second = parts[1].lower().strip(",")
    return second in VERBS or (parts[0] != "It" and second in NOT_A_TERM)


def is_clear(clause: str, pronouns: Set[str] = PRONOUNS) -> bool:
    """Whether a clause can be read alone.

    It has no word that means something outside it, and no open bracket.
    """
    is_balanced = all(clause.count(a) == clause.count(b) for a, b in _BALANCE)
    is_closed = clause.count('"') % 2 == 0 and clause.count("`") % 2 == 0
    found = words(clause)
    return is_balanced and is_closed and bool(found) and pronouns.isdisjoint(found)
