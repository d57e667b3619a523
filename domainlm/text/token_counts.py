"""Tokens of documents, counted with the base model's own tokenizer.

In: documents and a tokenizer of `domainlm.tokens.tokenizer`. Out: each document with its tokens, those at its borders
included.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from domainlm.text.document import Document

BATCH_DOCUMENTS = 256


def counted(documents: Iterable[Document], tokenizer: Any, border_tokens: int = 1) -> Iterator[tuple[Document, int]]:
    """Each document and its tokens, in the given order. Memory: one batch.

    border_tokens: those before and after a text, which are the end of text and, of some models, a beginning.
    """
    rest = iter(documents)
    while batch := list(islice(rest, BATCH_DOCUMENTS)):
        encodings = tokenizer.encode_batch_fast([document.text for document in batch], add_special_tokens=False)
        for document, encoding in zip(batch, encodings, strict=True):
            yield document, len(encoding.ids) + border_tokens
