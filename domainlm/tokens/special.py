"""The control tokens of a base model: `tokens.json`.

In: the file that `base_model` writes. Out: one value that packing, training and generation share, so that the end of
a document and the end of a turn are never guessed again from `eos_token` or `pad_token`, which differ between models
and often name the same token.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from domainlm.contract import StageError

FILE = "tokens.json"
SOURCE_FILE = "source.json"
UNNAMED_SOURCE = "sources.<base_model>"
BASE_MODEL = "base_model"
_LISTS = ("text_start_ids", "added_token_ids")


@dataclass(frozen=True)
class SpecialTokens:
    """Ids and texts of the control tokens.

    turn_end ends an answer of the chat template; vocab_size counts embedding rows. text_start_ids are those that the
    tokenizer puts before a text, and pretraining did (Llama's and Gemma's BOS); many put none. added_token_ids are those of
    base_model.added_tokens, in order.
    """

    end_of_text_id: int
    end_of_text: str
    turn_end_id: int
    turn_end: str
    pad_id: int
    vocab_size: int
    text_start_ids: tuple[int, ...] = ()
    added_token_ids: tuple[int, ...] = ()

    @property
    def border_tokens(self) -> int:
        """Tokens of a document besides those of its text."""
        return len(self.text_start_ids) + 1


def read_special_tokens(folder: Path) -> SpecialTokens:
    values = json.loads((folder / FILE).read_text(encoding="utf-8"))
    return SpecialTokens(**{**values, **{name: tuple(values.get(name, ())) for name in _LISTS}})


def write_special_tokens(folder: Path, tokens: SpecialTokens) -> None:
    values = asdict(tokens)
    # most models have neither
    for name in _LISTS:
        if not values[name]:
            del values[name]
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, indent=1) + "\n"
    (folder / FILE).write_text(text, encoding="utf-8", newline="\n")


def source_name(folder: Path) -> str | None:
    """The domain's name for the source of the base model in `folder`."""
    path = folder / SOURCE_FILE
    return str(json.loads(path.read_text(encoding="utf-8"))["source"]) if path.exists() else None


@contextmanager
def naming_source(name: str | None, artifact: str = BASE_MODEL) -> Iterator[None]:
    """Add the source's name to errors about a model, and the artifact's.

    The code that raises them knows neither, and words them for the base model.
    """
    try:
        yield
    except StageError as error:
        text = str(error)
        if artifact != BASE_MODEL:
            text = text.replace(f"{BASE_MODEL}.", f"{artifact}.")
            text = text.replace(BASE_MODEL.replace("_", " "), artifact.replace("_", " "))
        if name is not None:
            text = text.replace(UNNAMED_SOURCE, f"sources.{name}")
        if text == str(error):
            raise
        raise StageError(text) from error
