"""What an English sentence answers, by its form.

In: one whole sentence of a section. Out: the questions that it answers in its own words: what something is, what is used
for something, how, why, when something applies, what happened in a year, what is said about its subject. Each form is
one that stays right whatever the words are: clauses are taken over whole, and no verb is inflected. A sentence that
points to another one (it, this, the following) is not asked about: alone it answers nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Set

from domainlm.instruction.asked import Asked, word_set
from domainlm.instruction.english_pointing import DEMONSTRATIVE, is_clear, is_pointing
from domainlm.instruction.english_words import (
    ADVERBS,
    ANAPHORA,
    BARE_CLAUSE,
    CONTINUED,
    FUNCTION,
    IMPERATIVE,
    NOT_A_GERUND,
    NOT_A_TERM,
    NOT_INFINITIVE,
    POINTING_FIRST,
    PRONOUNS,
    RELATIVE,
    SUBORDINATING,
    VAGUE_FIRST,
    VERBS,
)
from domainlm.text.characters import has_letter, words

IsLower = Callable[[str], bool]

_CONDITION = re.compile(r"(If|When|Whenever|Unless|Once|As soon as) ([^,;:()]{8,120}), (?:then )?([^,]{2}.{12,})\.\Z")
_REASON = re.compile(r"([^;:]{20,160}?),? (?:because|due to the fact that) (?!of\b)(.{10,})\.\Z")
_REASON_FIRST = re.compile(r"Because (?!of\b)([^,;:()]{8,120}), ([^;:]{15,160})\.\Z")
_PURPOSE = re.compile(r"(?:To|In order to) ([a-z]+ [^,;:]{6,100}), (.{12,})\.\Z")
_USED = re.compile(
    r"([^,;:()]{2,80}?) (can be|is|are|may be|should be|must be) "
    r"(?:commonly |often |usually |typically |mainly |normally )?used (to|for) ([^;:]{6,140})\.\Z"
)
_IS = re.compile(
    r"((?:An?|The) )?([^,;:.!?]{2,60}?)((?: \([^()]{1,60}\))?) (is|are|means|refers to|denotes|stands for) "
    r"((?:an?|the|one of|any|short for)\b.{8,})\Z"
)
_IN_YEAR = re.compile(r"In ((?:(?:early|late|mid) |the year )?(?:[A-Z][a-z]{2,8} )?[12][0-9]{3}),? (.{15,})\Z")
_ADVERB = re.compile(
    "(Today|Currently|Nowadays|At present|By default|In general|Generally|Typically|Normally|Traditionally|Originally|Initially)"
    r",? (?=\S)"
)
_NOW = frozenset(("Today", "Currently", "Nowadays", "At present"))
_WILL = re.compile(
    "(?:you|one|users?|administrators?|developers?) (?:should|must|can|may|need|have|could|will|want|might) "
)
# a clause that cannot end before `because`, and one that goes on after a comma
_CUT_LAST = word_set("not only just simply mainly is are was and or but mostly partly especially precisely both either")
_GOING_ON = word_set("or and but which who e.g. i.e. for such including")
# what makes a term or a subject longer than a name
_IN_TERM = word_set("that which who whose of in for to and or with on from if")
_IN_TOPIC = word_set("that which who whose where what how if when you your")
_CAPITAL, _LETTERS = re.compile("[A-Z]"), re.compile(r"[A-Za-z]+\Z")
# a clause as short as `if the test fails` says of which one by a name only
_NAMING = re.compile('[A-Z0-9`"“_/-]')
_THIS_NOUN = re.compile(r"\b(?:[Tt]his|[Tt]hese|[Tt]hose) ([A-Za-z]+)", re.ASCII)
MIN_CLAUSE_WORDS, MIN_NAMING_WORDS = 5, 3
MAX_TOPIC_WORDS, MAX_TERM_WORDS, MAX_TOOL_WORDS, MAX_SUPERLATIVE_WORDS = 8, 5, 12, 4


def _is_gerund(word: str) -> bool:
    return len(word) >= 5 and word.endswith("ing") and word.lower() not in NOT_A_GERUND


def _lowered(text: str, is_lower: IsLower) -> str:
    """A clause from a sentence's beginning, as within a sentence."""
    first = text.split(" ", 1)[0]
    bare = first.rstrip(",")
    is_word = _LETTERS.match(bare) is not None and bare[1:] == bare[1:].lower()
    is_common = is_word and (bare.lower() in FUNCTION or is_lower(bare.lower()))
    return first[:1].lower() + text[1:] if is_common or _is_gerund(first) else text


def _is_order(main: str) -> bool:
    first = main.split(" ", 1)[0].lower().strip("\"'“`,")
    return first in IMPERATIVE or bool(_WILL.match(main.lower()))


def _points_outside(main: str) -> bool:
    """Whether a main clause names a thing of another sentence.

    `This team` does; `this is` means the condition.
    """
    return any(after.lower() not in VERBS for after in _THIS_NOUN.findall(main)) or "here" in words(main)


def _condition(sentence: str) -> Iterator[Asked]:
    found = _CONDITION.match(sentence)
    if not found:
        return
    parts = found[2].split()
    is_long = len(parts) >= (MIN_NAMING_WORDS if _NAMING.search(found[2]) else MIN_CLAUSE_WORDS)
    is_whole = "then" not in parts and not _points_outside(found[3]) and found[3].split()[0].lower() not in _GOING_ON
    if is_long and is_whole and parts[0] not in BARE_CLAUSE and is_clear(found[2]):
        form = "condition_order" if _is_order(found[3]) else "condition"
        yield Asked(form, {"clause": f"{found[1].lower()} {found[2]}"})


def _reason(sentence: str, is_lower: IsLower) -> Iterator[Asked]:
    found, first = _REASON.match(sentence), _REASON_FIRST.match(sentence)
    clause = (found[1] if found else first[2] if first else "").rstrip(" -–—")
    if not clause or (words(clause)[-1:] or [""])[0] in _CUT_LAST or clause.endswith("?"):
        return
    if _is_order(clause) or is_pointing(clause) or not is_clear(clause):
        return
    begins_otherwise = clause.startswith(("If ", "When ", "To ", "While ", "Although ", "Since "))
    if first or not (begins_otherwise or _CONDITION.match(sentence)):
        yield Asked("reason", {"clause": _lowered(clause, is_lower)})


def _purpose(sentence: str) -> Iterator[Asked]:
    found = _PURPOSE.match(sentence)
    is_action = found is not None and found[1].split()[0] not in NOT_INFINITIVE and is_clear(found[1])
    if found and is_action and _is_order(found[2]) and not _points_outside(found[2]):
        yield Asked("how", {"clause": found[1]})
    used = _USED.match(sentence)
    if not used or is_pointing(sentence) or len(words(used[1])) > MAX_TOOL_WORDS:
        return
    if is_clear(used[1], PRONOUNS | {"if", "when"}) and is_clear(used[4]):
        auxiliary = "is" if used[2] == "are" else used[2]
        yield Asked("use", {"clause": f"{auxiliary} used {used[3]} {used[4]}"})


def _definition(sentence: str, names: Set[str], is_lower: IsLower) -> Iterator[Asked]:
    found = _IS.match(sentence)
    if not found or is_pointing(sentence):
        return
    article, term, verb = found[1] or "", found[2], found[4]
    found_words = words(term)
    is_title = term.lower().strip('`"“”') in names
    if not is_title and not is_clear(term, PRONOUNS | VERBS | _IN_TERM):
        return
    if len(found_words) > MAX_TERM_WORDS or not has_letter(term) or "\\" in term:
        return
    if not is_title and (NOT_A_TERM.intersection(found_words) or DEMONSTRATIVE.search(sentence)):
        return
    # the file, of all files: what `the` names is what the text is about, unless it is the heading
    if not is_title and (article == "The " or (verb == "are" and not found[5].startswith(("a ", "an ", "the ")))):
        return
    first = term.split(" ")[0]
    if not _is_gerund(first) and first.lower() not in SUBORDINATING:
        form = "what_are" if verb == "are" else "what_is"
        yield Asked(form, {"term": _lowered(f"{article}{term}", is_lower)})


def _is_subject(parts: list[str], verb: str, names: Set[str], is_lower: IsLower) -> bool:
    """Whether the words before a verb name what a sentence is about."""
    topic = " ".join(parts)
    found = words(topic)
    content = [word for word in found if word not in FUNCTION]
    if (
        not content
        or any(mark in f"{topic} " for mark in (",", ";", ":", "!", "?", ". "))
        or len(topic.strip("`\"'")) < 2
    ):
        return False
    first, last = content[0], found[-1]
    is_order = first in IMPERATIVE and parts[0] not in ("The", "A", "An")
    # in `Ensuring programs are` another verb follows
    is_action = _is_gerund(parts[0]) and verb in ("are", "were", "have", "do")
    if is_order or is_action or parts[0].lower() in SUBORDINATING or first in VAGUE_FIRST or first in RELATIVE:
        return False
    if last in FUNCTION or last in ADVERBS or last.endswith("ly") or topic.lower().removeprefix("the ") in names:
        return False
    # the most common scheme: of what, a longer subject says
    if not {"most", "least"}.isdisjoint(found[:2]) and len(found) <= MAX_SUPERLATIVE_WORDS:
        return False
    # one common word says too little: the file, examples
    is_named = any(first in words(name) for name in names)
    is_common = len(parts) == 1 and is_lower(first) and not is_named
    is_general = first in NOT_A_TERM or first.removesuffix("s") in NOT_A_TERM
    return len(content) > 1 or not (is_general or is_common or parts[0] == "The")


def _topic(sentence: str, names: Set[str], is_lower: IsLower) -> Iterator[Asked]:
    adverb = _ADVERB.match(sentence)
    rest = sentence[adverb.end() :] if adverb else sentence
    parts = rest.split(" ")
    count = next((index for index, part in enumerate(parts[: MAX_TOPIC_WORDS + 1]) if part in VERBS), 0)
    topic = " ".join(parts[:count])
    # `is then reduced` goes on from the sentence before
    is_continued = bool(CONTINUED.intersection(parts[count : count + 4]))
    if not count or is_continued or is_pointing(rest) or DEMONSTRATIVE.search(sentence):
        return
    if not is_clear(topic, ANAPHORA | _IN_TOPIC) or not _is_subject(parts[:count], parts[count], names, is_lower):
        return
    now = f" {adverb[1].lower()}" if adverb and adverb[1] in _NOW else ""
    lowered = _lowered(topic, is_lower)
    # a capital that may be that of the sentence is quoted
    is_quoted = _CAPITAL.match(lowered) and " " in lowered and '"' not in lowered
    yield Asked("topic", {"topic": (f'"{lowered}"' if is_quoted else lowered) + now})


def _year(sentence: str) -> Iterator[Asked]:
    found = _IN_YEAR.match(sentence)
    if found and found[2].split()[0].lower() not in POINTING_FIRST:
        yield Asked("year", {"year": found[1]})


def asked_by(sentence: str, names: Set[str], is_lower: IsLower) -> Iterator[Asked]:
    """What a sentence answers, best first.

    names: of the section, in lower case. is_lower: whether the section also writes a word in lower case.
    """
    yield from _definition(sentence, names, is_lower)
    yield from _condition(sentence)
    yield from _reason(sentence, is_lower)
    yield from _purpose(sentence)
    yield from _year(sentence)
    yield from _topic(sentence, names, is_lower)
