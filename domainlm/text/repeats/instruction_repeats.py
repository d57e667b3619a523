"""Detection of instruction texts that repeat held-out text.

In: the documents of `unique_shards`, ids of those that are held out and of the instruction documents. Out: ids of the
instruction documents that repeat one of them, detected as repeats of evaluation texts are: an answer that is a
paragraph of the test set must not be learned. They are compared with the held-out text alone, because the split
decides which text that is, and an answer from a training text is a good one. Memory: a million shingles, 200 MB; for
more text, several passes over the instruction documents.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

from domainlm.text.document import Document, body_of, read_documents
from domainlm.text.repeats.compared_words import compared_words
from domainlm.text.repeats.evaluation_texts import MIN_CONTAINED_SHINGLES, EvaluationTexts, shingles


def messages_in(document: Document) -> list[str]:
    """The messages of a conversation, without the system's turn.

    Many conversations have the same system turn.
    """
    found = json.loads(document.meta).get("messages", ()) if '"messages"' in document.meta else ()
    return [message["content"] for message in found if message["role"] != "system"]


def parts_of(document: Document) -> list[str]:
    """The parts of a text that are searched for by themselves.

    They are the turns of a conversation, or the text below a title.
    """
    body = body_of(document)
    return [*messages_in(document), *([body] if body != document.text else ())]


def repeating(
    path: Path, instruction: Collection[str], held_out: Collection[str], threshold: float, shingle_words: int
) -> frozenset[str]:
    """Ids of the instruction documents that repeat a held-out text.

    The whole document, or a turn that is long enough, repeats it.
    """
    found: set[str] = set()

    def look_for(texts: EvaluationTexts) -> None:
        for document in read_documents(path):
            if (
                document.id in instruction
                and document.id not in found
                and _is_repeating(document, texts, shingle_words)
            ):
                found.add(document.id)

    texts = EvaluationTexts(threshold, shingle_words)
    for document in read_documents(path):
        if document.id in held_out:
            texts.add(document.id, document.text, parts_of(document))
            if texts.is_full:
                look_for(texts)
                texts = EvaluationTexts(threshold, shingle_words)
    look_for(texts)
    return frozenset(found)


def _is_repeating(document: Document, texts: EvaluationTexts, shingle_words: int) -> bool:
    for text in (document.text, *messages_in(document)):
        found = compared_words(text)
        hashed = shingles(found, shingle_words)
        if (text == document.text or len(hashed) >= MIN_CONTAINED_SHINGLES) and texts.repeated(found, hashed):
            return True
    return False
