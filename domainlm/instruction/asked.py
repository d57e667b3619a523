"""Questions, what they are made of, and the choice of a phrasing.

The rules for terms, sections and both languages share these values. In: a document, a form of question and what fills
it in. Out: the question. The phrasing is chosen by a stable hash of seed, document and form, so that it changes with
neither the order nor the number of documents.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from domainlm.instruction.phrasings import QUESTIONS
from domainlm.text.document import Document
from domainlm.text.stable_hash import stable_hash


def word_set(text: str) -> frozenset[str]:
    """The words of a table."""
    return frozenset(text.split())


@dataclass(frozen=True)
class Question:
    """kind: what is asked for, such as definition, list or reason."""

    kind: str
    question: str
    answer: str


@dataclass(frozen=True)
class Asking:
    """The settings of the questions.

    language: en or zh, used if the text itself is not mostly Chinese. min_questions: a document that gives fewer is not
    asked about; more than max_questions is never asked for.
    """

    seed: int
    language: str
    max_questions: int
    max_answer_chars: int
    min_questions: int = 1


@dataclass(frozen=True)
class Asked:
    """What a sentence can be asked for.

    form: a key of the phrasings. values: what is filled in beside the section's name.
    """

    form: str
    values: Mapping[str, str]


def phrase(document: Document, form: str, asking: Asking, language: str, number: int = 0, **values: str) -> str:
    """A phrasing of a form, chosen by a stable hash, filled in.

    number: of the questions of this form about the document, from 0.
    """
    phrasings = QUESTIONS[language][form]
    name = f"{document.id}\0{form}\0{number}" if number else f"{document.id}\0{form}"
    chosen = int.from_bytes(stable_hash(asking.seed, name)[:8], "big") % len(phrasings)
    return phrasings[chosen].format(**values)
