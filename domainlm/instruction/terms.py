"""Questions about a term of an ontology.

In: a document whose `meta` has definition and parents. Out: questions about definition, place in the hierarchy and
synonyms, best first. Lists are answered whole or not asked for. A definition that only repeats the words of the name
("An abnormality of the ear." of Abnormality of the ear) defines nothing and is not asked for. There is no yes-or-no
question: from one document only true statements can be made, and "yes" would be learned.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from domainlm.instruction.asked import Asking, Question, phrase, word_set
from domainlm.instruction.phrasings import ANSWERS, JOINERS
from domainlm.text.characters import cjk_count, words
from domainlm.text.document import Document
from domainlm.text.sentences import first_sentences

_CLOSED = re.compile(r"[.!?。！？][\"'”’)\]」』）]*$")
# letters of a word by which its inflected forms are known
STEM_CHARS = 5
_SMALL = word_set(
    "a an the of in on at to or and by with for any is are was be s presence abnormal abnormality 的 一 种 之"
)


def is_term(meta: Mapping[str, Any]) -> bool:
    """Whether a document's meta is an ontology's.

    Records may have fields of these names with other values: the letters of `Drug` are no parents.
    """
    lists = (meta.get("parents"), meta.get("synonyms", []))
    are_names = all(isinstance(each, list) and all(isinstance(name, str) for name in each) for each in lists)
    return isinstance(meta.get("definition"), str) and are_names


def _listed(items: Sequence[str], language: str) -> str:
    """a; a and b; a, b and c."""
    comma, last = JOINERS[language]
    # names with commas: Deafness, sensorineural; Hearing loss
    if language == "en" and any("," in item for item in items):
        comma, last = "; ", "; and "
    head, tail = items[:-1], items[-1]
    return f"{comma.join(head)}{last}{tail}" if head else tail


def _closed(text: str, language: str) -> str:
    """A definition with a full stop; many lack it."""
    text = text.strip()
    if not text or _CLOSED.search(text):
        return text
    return text + ("。" if language == "zh" else ".")


def _says_more(text: str, name: str) -> bool:
    """Whether a text has words that a name has not.

    An inflected form is the same word: decrease, decreased.
    """
    known = {word[:STEM_CHARS] for word in words(name)}
    return any(word not in _SMALL and word[:STEM_CHARS] not in known for word in words(text))


def _is_written_apart(name: str, other: str) -> bool:
    """Whether two names differ in more than case, hyphens and spaces."""
    return "".join(words(name)) != "".join(words(other))


def term_questions(document: Document, meta: Mapping[str, Any], asking: Asking, language: str) -> list[Question]:
    name = document.title
    definition = first_sentences(_closed(str(meta["definition"]), language), asking.max_answer_chars)
    if not _says_more(definition, name):
        definition = ""
    parents = list(meta["parents"])
    synonyms = [found for found in meta.get("synonyms", ()) if _is_written_apart(found, name)]
    answers = ANSWERS[language]

    def ask(kind: str, answer: str, **values: str) -> Question:
        return Question(kind, phrase(document, kind, asking, language, 0, name=name, **values), answer)

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
    telling = [synonym for synonym in synonyms if _says_more(synonym, name)]
    if telling:
        longest = max(telling, key=lambda text: (len(text) + cjk_count(text), text))
        found.append(ask("name", answers["term"].format(name=name), synonym=longest))
    return found
