"""A base model's `tokenizer.json`, read in one way for all stages.

In: a folder. Out: the tokenizer, which gives all tokens of a text and nothing besides. Property kept: the file's own
truncation and padding do not count. A tokenizer that was saved after a training with `truncation=True` would cut
every document, and one with padding would fill it with tokens that are learned. The file is read with `tokenizers`
alone: transformers takes seconds to import and gives the same ids.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from domainlm.contract import StageError

TOKENIZER = "tokenizer.json"
# the last ones are for programs that read SentencePiece's own file
TOKENIZER_FILES = (
    TOKENIZER,
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "chat_template.json",
    "tokenizer.model",
    "sentencepiece.bpe.model",
    "spiece.model",
)


def open_tokenizer(path: Path) -> Any:
    """The tokenizer of a file; raises whatever the library raises."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def read_tokenizer(folder: Path) -> Any:
    """The tokenizer of a built base model.

    Raises StageError if it cannot be read.
    """
    path = folder / TOKENIZER
    try:
        return open_tokenizer(path)
    # the library raises a bare Exception for a missing or malformed file
    except Exception as error:
        raise StageError(
            f"{folder.name}/{path.name} is no readable tokenizer: {error}; build {folder.name} again"
        ) from error
