"""Questions about a section of running text, answered in its own words.

In: a document with headings and prose. Out: questions of several kinds, best first: what the section says, what
something is, how, why and when, what is said about a subject, and lists, which are answered whole. An answer is whole
sentences of one paragraph, or all items of a list. Nothing is asked whose answer would be an item alone, a caption, a
heading, code, a reference to another place, or a sentence that points to one. No model judges: what is doubtful is left
out, and a section that gives too few questions gives none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType

from domainlm.instruction import chinese, english, english_pointing
from domainlm.instruction.asked import Asked, Asking, Question, phrase
from domainlm.instruction.blocks import ADMONITIONS, Block, blocks_of
from domainlm.instruction.headings import Place, place_of
from domainlm.text.characters import cjk_count, letter_share, single_line, words
from domainlm.text.document import Document, body_of
from domainlm.text.sentences import sentence_ends, sentences_of

# the kind of a form whose name is not its kind; and the sentences that an answer may have beside its first one
KINDS = {"what_is": "definition", "what_are": "definition", "condition_order": "condition", "whole_list": "list"}
_MORE = {"section": 9, "entry": 2, "topic": 1, "what_is": 1, "what_are": 1}
# from the most to the least telling: each kind has its turn before any has its second
ORDER = ("section", "definition", "list", "reason", "how", "condition", "use", "year", "entry", "topic")
MAX_OF_A_KIND = 2
MIN_WORDS, MIN_CHARS, MIN_HAN_CHARS = 6, 40, 14
MIN_LETTER_SHARE = 0.6
MIN_ITEMS, MAX_INTRO_CHARS, MAX_LABEL_WORDS = 2, 200, 8
# a section of more characters may have been cut
MAX_WHOLE_CHARS = 6000
_LOWER_BEGIN = re.compile("[a-z]+[ ,]|[,;)]")
_FIRST_PERSON = re.compile(r"(?:[0-9.]+ )?I\b", re.ASCII)
_PRONOUN = frozenset(("they", "them", "he", "she", "it"))
_SUCH = re.compile(
    r"\b(?:such|this|these|those|the (?:above|former|latter|same))\b|\A(?:The|A) (?:next|previous|last|first|second|third)\b",
    re.ASCII | re.IGNORECASE,
)
# a line of a table of contents, a numbered clause without its heading
_NUMBERED = re.compile(r"[*•·–-]\s|[0-9]+(?:\.[0-9]+)+\.?\s|[0-9]{1,2}[.)]\s")
_GOES_ON = re.compile(
    r"\b(?:also|then|too|thus|therefore|still|instead|similar|later|earlier|previously|another)\b|也|还|则|类似",
    re.ASCII,
)
_WIDE_END = re.compile("[。！？][」』”）]*$")
_LOWER_WORD = re.compile(r"(?<![A-Za-z])[a-z]+")
_BALANCE = (("(", ")"), ("（", "）"), ("[", "]"), ("“", "”"), ("「", "」"))


@dataclass(frozen=True)
class _Candidate:
    """A question that could be asked. at: its place in the section."""

    form: str
    values: dict[str, str]
    answer: str
    at: int

    @property
    def kind(self) -> str:
        return KINDS.get(self.form, self.form)


@dataclass(frozen=True)
class _Section:
    document: Document
    place: Place
    language: str
    limit: int
    lower_words: frozenset[str]

    @property
    def names(self) -> frozenset[str]:
        name = self.place.name.lower()
        return frozenset((name, name.strip("`\"'“”"), name.removeprefix("the ")))

    @property
    def rules(self) -> ModuleType:
        """The rules that say whether a sentence points to another place."""
        return chinese if self.language == "zh" else english_pointing

    def asked_by(self, sentence: str) -> Iterator[Asked]:
        if self.language == "zh":
            return chinese.asked_by(sentence, self.names)
        return english.asked_by(sentence, self.names, self.lower_words.__contains__)

    def is_pointing(self, sentence: str) -> bool:
        return bool(self.rules.is_pointing(sentence))

    def is_bare(self, sentence: str) -> bool:
        """Whether a sentence can stand in no answer.

        It names another place, or asks.
        """
        is_open = any(sentence.count(a) != sentence.count(b) for a, b in _BALANCE) or sentence.count('"') % 2 == 1
        is_numbered = _NUMBERED.match(sentence) is not None
        is_elsewhere = self.rules.is_dangling(sentence) or self.rules.is_reference(sentence)
        return is_open or is_numbered or bool(is_elsewhere) or sentence[-1:] in "?？"

    def is_opening(self, sentence: str, is_first: bool) -> bool:
        """Whether a sentence can open what is said of the section.

        At the beginning `this` means the heading; not in a later part of a section that was cut, which is long.
        """
        if _LOWER_BEGIN.match(sentence) or _FIRST_PERSON.match(sentence):
            return False
        if is_first and len(self.document.text) < MAX_WHOLE_CHARS and self.rules.is_about_heading(sentence):
            return True
        has_pronoun = not _PRONOUN.isdisjoint(words(sentence)[:5])
        return not (has_pronoun or self.is_pointing(sentence) or _SUCH.search(sentence))

    def is_whole(self, text: str) -> bool:
        """Whether a text says enough to be an answer."""
        is_long = cjk_count(text) >= MIN_HAN_CHARS or len(text) >= MIN_CHARS
        return is_long and len(words(text)) >= MIN_WORDS and letter_share(text) >= MIN_LETTER_SHARE

    def answer(self, sentences: Sequence[str], more: int) -> str:
        """The leading sentences that can be said together, within the limit."""
        found = ""
        for sentence in sentences[: 1 + more]:
            glue = "" if not found or _WIDE_END.search(found) else " "
            if self.is_bare(sentence) or len(found) + len(glue) + len(sentence) > self.limit:
                break
            found += glue + sentence
        return found if self.is_whole(found) else ""


_TITLE_LIKE = re.compile(r"[A-Z0-9`\"'“‘\u3400-\u9fff《「（(]")
_CODE_SIGN = re.compile(r"[{}=;<>|\\/$@_]|->|::")


def _is_entry(label: str) -> bool:
    """Whether a line names what the paragraph below is about.

    It is an option, or words like a heading.
    """
    if label.startswith("-"):
        return True
    is_title = bool(_TITLE_LIKE.match(label)) and not _CODE_SIGN.search(label) and letter_share(label) >= 0.75
    return is_title and len(words(label)) <= MAX_LABEL_WORDS + cjk_count(label)


def _is_label(block: Block | None) -> bool:
    return block is not None and block.kind == "label"


def _is_admonition(block: Block | None) -> bool:
    return block is not None and block.text.strip(" :：").lower() in ADMONITIONS


def _overview(section: _Section, blocks: Sequence[Block]) -> Iterator[_Candidate]:
    """What a section says.

    It is the first paragraph, or the second if the first cannot be an answer.
    """
    prose = [index for index, block in enumerate(blocks) if block.kind == "prose"]
    for index in prose[:2]:
        sentences = sentences_of(blocks[index].text)
        above = blocks[index - 1] if index else None
        if _is_label(above) and not _is_admonition(above):
            return
        if not sentences or _is_label(above) or _GOES_ON.search(sentences[0]):
            continue
        if not section.is_opening(sentences[0], index == 0):
            continue
        if answer := section.answer(sentences, _MORE["section"]):
            yield _Candidate("section", {}, answer, -1)
            return


def _of_sentences(section: _Section, blocks: Sequence[Block], account: str) -> Iterator[_Candidate]:
    """What single sentences answer.

    account: what is said of the whole section, which is not said twice.
    """
    for index, block in enumerate(blocks):
        if block.kind != "prose":
            continue
        sentences = sentences_of(block.text)
        above = blocks[index - 1] if index else None
        if above is not None and _is_label(above) and not _is_admonition(above) and _is_entry(above.text):
            is_opening = bool(sentences) and section.is_opening(sentences[0], True)
            answer = section.answer(sentences, _MORE["entry"]) if is_opening else ""
            if answer and above.text.lower() not in section.names:
                yield _Candidate("entry", {"topic": above.text.rstrip(" :：")}, answer, index)
        for number, sentence in enumerate(sentences):
            if section.is_bare(sentence):
                continue
            for asked in section.asked_by(sentence):
                answer = section.answer(_going_on(section, sentences[number:]), _MORE.get(asked.form, 0))
                answer = section.answer(sentences[number:], 0) if answer == account else answer
                if answer:
                    yield _Candidate(asked.form, dict(asked.values), answer, index)


def _going_on(section: _Section, sentences: Sequence[str]) -> list[str]:
    """A sentence with those after it that go on about its subject."""
    found = list(sentences[:1])
    for sentence in sentences[1:]:
        if not section.is_pointing(sentence):
            break
        found.append(sentence)
    return found


def _lists(section: _Section, blocks: Sequence[Block]) -> Iterator[_Candidate]:
    lists = [index for index, block in enumerate(blocks) if block.kind == "list"]
    for index in lists:
        block = blocks[index]
        is_fit = len(block.items) >= MIN_ITEMS and len(block.text) <= section.limit and all(block.items)
        if any(section.rules.is_dangling(item) or item.endswith((":", "：")) for item in block.items):
            continue
        if not is_fit or letter_share(block.text) < MIN_LETTER_SHARE:
            continue
        intro = _intro(section, blocks[index - 1]) if index else ""
        if intro:
            yield _Candidate("list", {"intro": intro}, block.text, index)
        elif index == 0 and len(lists) == 1:
            yield _Candidate("whole_list", {}, block.text, index)


def _intro(section: _Section, block: Block) -> str:
    """The sentence that introduces a list.

    It is empty if none does, or if it points further back.
    """
    if block.kind != "prose":
        return ""
    text = block.text
    ends = [end for end in sentence_ends(text) if end < len(text)]
    last = text[ends[-1] :].strip() if ends else text
    is_introducing = last.endswith((":", "：")) or section.rules.is_dangling(last)
    is_fit = is_introducing and len(last) <= MAX_INTRO_CHARS and len(words(last)) >= 3
    return last if is_fit and not section.is_pointing(last) and not section.rules.is_reference(last) else ""


def _chosen(candidates: Iterable[_Candidate], limit: int) -> list[_Candidate]:
    """The candidates to ask.

    Kinds take turns, and no answer is given twice.
    """
    by_kind: dict[str, list[_Candidate]] = {}
    for candidate in candidates:
        by_kind.setdefault(candidate.kind, []).append(candidate)
    overview = by_kind["section"][0].answer if "section" in by_kind else ""
    for found in by_kind.values():
        # what the overview does not say comes first
        found.sort(key=lambda one: (one.answer in overview, one.at))
    chosen: list[_Candidate] = []
    taken: dict[str, int] = {}
    for _ in range(MAX_OF_A_KIND):
        for kind in ORDER:
            queue = by_kind.get(kind, [])
            while queue and len(chosen) < limit and taken.get(kind, 0) < MAX_OF_A_KIND:
                candidate = queue.pop(0)
                others = [one.answer for one in chosen if one.kind != "section"]
                is_new = not any(candidate.answer in other or other in candidate.answer for other in others)
                if is_new and (kind == "section" or candidate.answer != overview):
                    chosen.append(candidate)
                    taken[kind] = taken.get(kind, 0) + 1
                    break
    return chosen


def section_questions(document: Document, asking: Asking, language: str) -> list[Question]:
    place = place_of(document, language)
    if place is None:
        return []
    body = body_of(document)
    limit = asking.max_answer_chars
    section = _Section(document, place, language, limit, frozenset(_LOWER_WORD.findall(body)))
    blocks = blocks_of(body)
    accounts = list(_overview(section, blocks))
    account = accounts[0].answer if accounts else ""
    found = [*accounts, *_of_sentences(section, blocks, account), *_lists(section, blocks)]
    questions: list[Question] = []
    numbers: dict[str, int] = {}
    for one in _chosen(found, asking.max_questions):
        number = numbers.get(one.form, 0)
        numbers[one.form] = number + 1
        values = {name: single_line(value) for name, value in one.values.items()}
        text = phrase(document, one.form, asking, language, number, place=place.text, **values)
        questions.append(Question(one.kind, text, one.answer))
    return questions
