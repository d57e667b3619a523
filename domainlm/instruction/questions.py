"""Questions and answers derived from a document itself.

In: one document. Out: questions, each with an answer in the document's own words: a term's definition, synonyms and
place in the hierarchy, or what sentences and lists below a heading say. No model generates text, so every answer can be
traced to its source. Phrasings vary, so that a question is not answered by its wording alone; the choice depends on
seed and document only.
"""

from __future__ import annotations

import json
import re

from domainlm.instruction.asked import Asking, Question
from domainlm.instruction.sections import section_questions
from domainlm.instruction.terms import is_term, term_questions
from domainlm.text.document import Document

__all__ = ["Asking", "Question", "is_mostly_chinese", "questions_of"]

_CHINESE = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")


def is_mostly_chinese(text: str) -> bool:
    """Whether at least a third of the characters are Han characters.

    A Chinese text with terms in Latin script qualifies.
    """
    return 3 * len(_CHINESE.findall(text)) >= len(text) > 0


def questions_of(document: Document, asking: Asking) -> list[Question]:
    """The questions of a document, best first.

    There are at most `max_questions`, and none where fewer than `min_questions` can be asked.
    """
    language = "zh" if asking.language == "zh" or is_mostly_chinese(document.text) else "en"
    meta = json.loads(document.meta)
    if is_term(meta):
        found = term_questions(document, meta, asking, language)
    else:
        found = section_questions(document, asking, language)
    kept = [item for item in found if item.question and len(item.answer) <= asking.max_answer_chars]
    kept = kept[: asking.max_questions]
    return kept if len(kept) >= min(asking.min_questions, asking.max_questions) else []
