"""The control tokens of a checkpoint's tokenizer, checked.

In: a folder with `tokenizer.json`, its settings and its chat template. Out: the tokens that end a text and a turn, or
StageError. `tokenizer.json` decides: a class of transformers that changes its ids is replaced by the one that reads
the file as it is. The ends are not taken from `eos_token`, which names one or the other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from domainlm.config.sources import BaseModelConfig
from domainlm.contract import StageError
from domainlm.models.chat_probe import (
    PROCESSOR_TEMPLATE,
    check_turns,
    find_turn_end,
    given_template,
    with_processor_template,
    write_template,
)
from domainlm.models.checkpoint_files import reading_source
from domainlm.models.checkpoint_settings import read_object
from domainlm.text.json_files import write_json
from domainlm.tokens.special import SpecialTokens
from domainlm.tokens.template import DEFAULT_DATE, template_renderer
from domainlm.tokens.tokenizer import TOKENIZER, open_tokenizer

PROBE = "Dose: 12,345 mg.\n\n2.  a_b = 3.14  # don't\n\tЖ 漢字, naïve café 🙂 1/2"
SETTINGS = "tokenizer_config.json"
# the class of transformers that does what tokenizer.json says
AS_IT_IS = "PreTrainedTokenizerFast"
# what the names of tokens that end a text consist of; "s": </s>
_ENDS_OF_TEXT = ("endoftext", "eos", "eostoken", "endofsentence", "endofdocument", "eod", "s")
_USED = ("bos_token", "eos_token", "pad_token", "unk_token")


def without_spare_tokens(folder: Path, embedding_rows: int, log: Callable[[str], None]) -> None:
    """Remove control tokens beyond the embeddings that no text can hold.

    They are of a sibling (Gemma 3's placeholder of an image, in the models that read text only). Left in place, a
    document that spells one out would ask for a row that is not there.
    """
    path = folder / TOKENIZER
    values = read_object(path)
    added = [token for token in values.get("added_tokens") or [] if isinstance(token, dict)]
    spare = [token for token in added if _id(token) >= embedding_rows]
    names = {str(token.get("content")) for token in spare}
    if not spare or not all(token.get("special") for token in spare) or names & set(_names_in_use(folder, values)):
        return
    values["added_tokens"] = [token for token in added if _id(token) < embedding_rows]
    model = values.get("model")
    if isinstance(model, dict) and isinstance(model.get("vocab"), dict):
        model["vocab"] = {text: number for text, number in model["vocab"].items() if text not in names}
    write_json(path, values)
    log(
        f"removed control tokens beyond the {embedding_rows} embeddings, which nothing uses: {', '.join(sorted(names))}"
    )


def check_vocabulary(folder: Path, embedding_rows: int) -> None:
    """Raise StageError where a token has no row in the embeddings."""
    vocabulary = open_tokenizer(folder / TOKENIZER).get_vocab(with_added_tokens=True)
    if not vocabulary:
        raise StageError("the base model's tokenizer has no tokens; expected some: check sources.<base_model>")
    text, highest = max(vocabulary.items(), key=lambda pair: pair[1])
    if highest >= embedding_rows:
        raise StageError(
            f"the base model's tokenizer has ids up to {highest}, its embeddings {embedding_rows} rows; expected every"
            f" id below the number of rows (the last token is {text[:60]!r}): tokenizer and weights are not of one model, or"
            " a token in use was added without a row for it, check sources.<base_model>"
        )


def special_tokens(
    folder: Path,
    section: BaseModelConfig,
    vocab_size: int,
    has_system_turn: bool,
    log: Callable[[str], None] = print,
    is_chat_form: bool = True,
) -> SpecialTokens:
    """The control tokens, from the tokenizer and its chat template.

    The tokenizer is checked on the way, and the template by a conversation. has_system_turn: whether conversations will
    have one. is_chat_form: whether they are written by this template; if not, a tokenizer without one will do, and what
    ends its texts counts as the end of a turn.
    """
    with_processor_template(folder)
    plain = open_tokenizer(folder / TOKENIZER)
    tokenizer = _tokenizer_of_transformers(folder, plain, log)
    added = [token.content for _, token in sorted(plain.get_added_tokens_decoder().items())]
    start = find_text_start(tokenizer, plain.encode(PROBE, add_special_tokens=False).ids)
    start = with_named_start(start, folder, tokenizer.bos_token_id)
    if section.chat_template is not None:
        ends = _known(plain, section.end_of_text or find_end_of_text(added, tokenizer.eos_token, None))
        opened = [plain.id_to_token(token) for token in start]
        text = given_template(
            section.chat_template, opened, ends[0], lambda token: plain.token_to_id(token) is not None
        )
        write_template(folder, text)
        tokenizer.chat_template = text
    if not tokenizer.chat_template and is_chat_form:
        raise StageError(
            "the tokenizer of sources.<base_model> has no chat template, so an answer has no end to learn; expected one: set"
            " base_model.chat_template to a Jinja file, to chatml, or to plain, which suits any tokenizer"
        )
    turn_end = None
    if tokenizer.chat_template:
        # which date it writes does not matter here
        with template_renderer(tokenizer, DEFAULT_DATE) as render:
            turn_end = find_turn_end(render, added)
            check_turns(render, turn_end, has_system_turn)
    # the template `plain` ends a turn with the token that ends a text, whatever others there are
    named = turn_end if section.chat_template == "plain" else section.end_of_text
    end_of_text, end_of_text_id = _known(plain, named or find_end_of_text(added, tokenizer.eos_token, turn_end))
    turn_end = turn_end or end_of_text
    pad = tokenizer.pad_token_id
    if pad is not None and not 0 <= pad < vocab_size:
        raise StageError(
            f"the tokenizer's token for padding has the id {pad}, the embeddings {vocab_size} rows; expected an id below the"
            " number of rows: correct pad_token in tokenizer_config.json of sources.<base_model>"
        )
    return SpecialTokens(
        end_of_text_id=end_of_text_id,
        end_of_text=end_of_text,
        turn_end_id=plain.token_to_id(turn_end),
        turn_end=turn_end,
        pad_id=end_of_text_id if pad is None else int(pad),
        vocab_size=vocab_size,
        text_start_ids=start,
        added_token_ids=tuple(plain.token_to_id(text) for text in section.added_tokens),
    )


def _known(plain: Any, end_of_text: str | None) -> tuple[str, int]:
    """The token that ends a document, with its id."""
    found = None if end_of_text is None else plain.token_to_id(end_of_text)
    if end_of_text is None or found is None:
        raise StageError(
            f"the tokenizer has no token {end_of_text!r}; expected the one that ends a document: name it in"
            " base_model.end_of_text"
        )
    return end_of_text, int(found)


def find_end_of_text(added: Sequence[str], eos: str | None, turn_end: str | None) -> str | None:
    """The control token that ends a text, unlike a turn's where possible.

    The eos of an instructed model often ends its turns (Llama 3, Gemma 3), while its base's texts ended with another
    token, which the tokenizer still has. If both were one token, documents would teach the model when to end an answer.
    """
    if "<|endoftext|>" in added and turn_end != "<|endoftext|>":
        return "<|endoftext|>"
    if eos is not None and eos != turn_end:
        return eos
    # by their letters: <|end_of_text|>, <eos>, <EOS_TOKEN>, [EOS], DeepSeek's with its own bars
    letters = {
        re.sub("[^a-z]", "", token.lower()): token for token in reversed(added) if token not in (turn_end, "<s>")
    }
    found = next((letters[name] for name in _ENDS_OF_TEXT if name in letters), None)
    return found or eos or ("<|endoftext|>" if "<|endoftext|>" in added else turn_end)


def with_named_start(start: tuple[int, ...], folder: Path, bos_id: int | None) -> tuple[int, ...]:
    """The tokens before a text, with a BOS of the settings.

    transformers 5 does not read `add_bos_token` beside a tokenizer.json; DeepSeek's distilled models name theirs there.
    """
    path = folder / SETTINGS
    settings = read_object(path) if path.exists() else {}
    is_named = settings.get("add_bos_token") is True and bos_id is not None and bos_id not in start
    return (bos_id, *start) if is_named and bos_id is not None else start


def find_text_start(tokenizer: Any, expected: Sequence[int]) -> tuple[int, ...]:
    """Ids that transformers' tokenizer puts before a text.

    expected: the ids of the text alone.
    """
    whole = list(tokenizer(PROBE)["input_ids"])
    for count in range(len(whole) - len(expected) + 1):
        if whole[count : count + len(expected)] == list(expected):
            return tuple(whole[:count])
    raise StageError(
        f"the tokenizer gives {whole[:12]}... for a text with control tokens around it and {list(expected[:12])}... without;"
        " expected the same ids in between: check tokenizer_config.json in sources.<base_model>"
    )


def _tokenizer_of_transformers(folder: Path, plain: Any, log: Callable[[str], None]) -> Any:
    """transformers' tokenizer of the folder, with the ids of tokenizer.json.

    A class that is unknown or gives other ids is replaced in the folder's settings.
    """
    path = folder / SETTINGS
    tokenizer, fault = _built(folder, plain)
    if tokenizer is not None:
        return tokenizer
    settings = read_object(path) if path.exists() else {}
    write_json(path, {**settings, "tokenizer_class": AS_IT_IS})
    tokenizer, remaining = _built(folder, plain)
    if tokenizer is None:
        raise remaining or fault
    log(f"tokenizer_class is now {AS_IT_IS}, as {settings.get('tokenizer_class')} does not do what tokenizer.json says")
    return tokenizer


def _built(folder: Path, plain: Any) -> tuple[Any, StageError]:
    """The tokenizer with the ids of tokenizer.json, or None; and the fault."""
    from transformers import AutoTokenizer

    expected = plain.encode(PROBE, add_special_tokens=False).ids
    try:
        with reading_source("loading the tokenizer", folder):
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            found = tokenizer(PROBE, add_special_tokens=False)["input_ids"]
    except StageError as error:
        return None, error
    return (tokenizer if found == expected else None), _other_ids(found, expected)


def _other_ids(found: list[int], expected: list[int]) -> StageError:
    return StageError(
        f"the tokenizer that transformers builds gives {found[:12]}... for {PROBE[:20]!r}..., tokenizer.json"
        f" {expected[:12]}...; expected equal ids, also with tokenizer_class {AS_IT_IS}: check tokenizer_config.json in"
        " sources.<base_model>"
    )


def _id(token: Mapping[str, Any]) -> int:
    number = token.get("id")
    return number if isinstance(number, int) else -1


def _names_in_use(folder: Path, tokenizer: Mapping[str, Any]) -> Iterable[str]:
    """Control tokens that a text, a row or a conversation may hold."""
    for name in (SETTINGS, "special_tokens_map.json"):
        settings = read_object(folder / name) if (folder / name).exists() else {}
        for key in _USED:
            value = settings.get(key)
            yield str(value.get("content") if isinstance(value, dict) else value)
    written = json.dumps([tokenizer.get("post_processor"), _templates(folder)], ensure_ascii=False)
    for token in tokenizer.get("added_tokens") or []:
        if isinstance(token, dict) and json.dumps(token.get("content"), ensure_ascii=False)[1:-1] in written:
            yield str(token.get("content"))


def _templates(folder: Path) -> list[Any]:
    settings = read_object(folder / SETTINGS) if (folder / SETTINGS).exists() else {}
    path, other = folder / "chat_template.jinja", folder / PROCESSOR_TEMPLATE
    return [
        settings.get("chat_template"),
        read_object(other).get("chat_template") if other.exists() else None,
        path.read_text(encoding="utf-8", errors="replace") if path.exists() else None,
    ]
