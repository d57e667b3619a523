"""Questions and answers derived from a document itself.

In: one document. Out: questions, each with an answer in the document's own words: a term's definition, synonyms and
place in the hierarchy, or the first sentences under a heading. No model generates text, so every answer can be traced
to its source. Phrasings vary, so that a question is not answered by its wording alone; the choice depends on seed and
document only.

A term gives no yes-or-no question: from one document only true statements can be made, and "yes" would be learned.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domainlm.instruction.phrasings import ANSWERS, JOINERS, QUESTIONS
from domainlm.text.document import Document, body_of
from domainlm.text.sentences import first_prose, first_sentences
from domainlm.text.stable_hash import stable_hash

MAX_LISTED = 5
MIN_TITLE_CHARS = 2
_CHINESE = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")
_CLOSED = re.compile(r"[.!?。！？][\"'”’)\]」』）]*$")


@dataclass(frozen=True)
class Question:
    """kind: definition, parent, synonym, term, description or section."""

    kind: str
    question: str
    answer: str


@dataclass(frozen=True)
class Asking:
    """The settings of the questions.

    language: en or zh, used if the text itself is not mostly Chinese.
    """

    seed: int
    language: str
    max_questions: int
    max_answer_chars: int


def is_mostly_chinese(text: str) -> bool:
    """Whether at least a third of the characters are Han characters.

    A Chinese text with terms in Latin script qualifies.
    """
    return 3 * len(_CHINESE.findall(text)) >= len(text) > 0


def questions_of(document: Document, asking: Asking) -> list[Question]:
    """At most `max_questions` questions of a document, best first.

    There may be none.
    """
    language = "zh" if asking.language == "zh" or is_mostly_chinese(document.text) else "en"
    meta = json.loads(document.meta)
    is_term = "definition" in meta and "parents" in meta
    found = _term(document, meta, asking, language) if is_term else _section(document, asking, language)
    kept = [item for item in found if item.question and len(item.answer) <= asking.max_answer_chars]
    return kept[: asking.max_questions]


def _phrase(document: Document, kind: str, asking: Asking, language: str, **values: str) -> str:
    """A phrasing of a kind, chosen by a stable hash, filled in."""
    phrasings = QUESTIONS[language][kind]
    chosen = int.from_bytes(stable_hash(asking.seed, f"{document.id}\0{kind}")[:8], "big") % len(phrasings)
    return phrasings[chosen].format(**values)


def _listed(items: Sequence[str], language: str) -> str:
    """a; a and b; a, b and c."""
    comma, last = JOINERS[language]
    head, tail = items[:MAX_LISTED][:-1], items[:MAX_LISTED][-1]
    return f"{comma.join(head)}{last}{tail}" if head else tail


def _term(document: Document, meta: Mapping[str, Any], asking: Asking, language: str) -> list[Question]:
    name = document.title
    definition = first_sentences(_closed(str(meta["definition"]), language), asking.max_answer_chars)
    parents, synonyms = list(meta["parents"]), list(meta.get("synonyms", ()))
    answers = ANSWERS[language]

    def ask(kind: str, answer: str, **values: str) -> Question:
        return Question(kind, _phrase(document, kind, asking, language, name=name, **values), answer)

    found = []
    if definition:
        found.append(ask("definition", definition))
    if parents:
        found.append(ask("parent", answers["parent"].format(name=name, parents=_listed(parents, language))))
    if synonyms:
        found.append(ask("synonym", answers["synonym"].format(name=name, synonyms=_listed(synonyms, language))))
    if definition and name.lower() not in definition.lower():
        found.append(ask("term", answers["term"].format(name=name), definition=definition))
    if definition and parents:
        whole = answers["description"].format(definition=definition, parents=_listed(parents, language))
        found.append(ask("description", whole))
    return found


def _section(document: Document, asking: Asking, language: str) -> list[Question]:
    """The question about a heading.

    It also names the heading above, as `Examples` alone could be in any document.
    """
    answer = first_prose(body_of(document), asking.max_answer_chars)
    if not answer or len(document.title) < MIN_TITLE_CHARS:
        return []
    above = [part for part in document.section.split(" > ")[:-1] if part and part != document.title]
    values = {"name": document.title, "above": above[-1] if above else ""}
    kind = "section_below" if above else "section"
    return [Question("section", _phrase(document, kind, asking, language, **values), answer)]


def _closed(text: str, language: str) -> str:
    """A definition with a full stop; many lack it."""
    text = text.strip()
    if not text or _CLOSED.search(text):
        return text
    return text + ("。" if language == "zh" else ".")
