"""Tokens of documents, counted with the base model's own tokenizer.

In: documents and a `tokenizer.json`. Out: each document with its tokens, the end-of-text token included. The file is
read with `tokenizers` alone: transformers takes seconds to import and gives the same ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from domainlm.contract import StageError
from domainlm.text.document import Document

BATCH_DOCUMENTS = 256


def load_tokenizer(path: Path) -> Any:
    """The tokenizer of a `tokenizer.json`.

    Raises StageError if it cannot be read.
    """
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    # the library raises a bare Exception for a missing or malformed file
    except Exception as error:
        raise StageError(f"base_model/{path.name} is no readable tokenizer: {error}; build base_model again") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def counted(documents: Iterable[Document], tokenizer: Any) -> Iterator[tuple[Document, int]]:
    """Each document and its tokens, in the given order. Memory: one batch."""
    rest = iter(documents)
    while batch := list(islice(rest, BATCH_DOCUMENTS)):
        encodings = tokenizer.encode_batch_fast([document.text for document in batch], add_special_tokens=False)
        for document, encoding in zip(batch, encodings, strict=True):
            yield document, len(encoding.ids) + 1
