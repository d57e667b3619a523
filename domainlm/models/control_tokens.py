"""The control tokens of a checkpoint's tokenizer, and whether both fit its embeddings.

In: a folder with `tokenizer.json`, its settings and its chat template. Out: the tokens that end a text and a turn, or
StageError. `tokenizer.json` decides: a class of transformers that changes its ids is replaced by the one that reads
the file as it is. The ends are not taken from `eos_token`, which names one or the other.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from domainlm.contract import StageError
from domainlm.models.checkpoint_files import read_object, reading_source
from domainlm.text.json_files import write_json
from domainlm.tokens.special import SpecialTokens
from domainlm.tokens.template import DEFAULT_DATE, FIX, Render, TemplateRefuses, template_renderer
from domainlm.tokens.tokenizer import TOKENIZER, open_tokenizer

PROBE = "Dose: 12,345 mg.\n\n2.  a_b = 3.14  # don't\n\tЖ 漢字, naïve café 🙂 1/2"
SETTINGS = "tokenizer_config.json"
# the class of transformers that does what tokenizer.json says
AS_IT_IS = "PreTrainedTokenizerFast"
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
    folder: Path, end_of_text: str | None, vocab_size: int, log: Callable[[str], None] = print
) -> SpecialTokens:
    """The control tokens, from the tokenizer and its chat template.

    The tokenizer is checked on the way.
    """
    plain = open_tokenizer(folder / TOKENIZER)
    tokenizer = _tokenizer_of_transformers(folder, plain, log)
    pad = tokenizer.pad_token_id
    if end_of_text is None:
        end_of_text = "<|endoftext|>" if plain.token_to_id("<|endoftext|>") is not None else tokenizer.eos_token
    end_of_text_id = None if end_of_text is None else plain.token_to_id(end_of_text)
    if end_of_text is None or end_of_text_id is None:
        raise StageError(
            f"the tokenizer has no token {end_of_text!r}; expected the one that ends a document: name it in"
            " base_model.end_of_text"
        )
    turn_end = None
    # without a template there are no turns
    if tokenizer.chat_template:
        # which date it writes does not matter here
        with template_renderer(tokenizer, DEFAULT_DATE) as render:
            turn_end = find_turn_end(render, [token.content for token in plain.get_added_tokens_decoder().values()])
    if pad is not None and not 0 <= pad < vocab_size:
        raise StageError(
            f"the tokenizer's token for padding has the id {pad}, the embeddings {vocab_size} rows; expected an id below the"
            " number of rows: correct pad_token in tokenizer_config.json of sources.<base_model>"
        )
    return SpecialTokens(
        end_of_text_id=end_of_text_id,
        end_of_text=end_of_text,
        turn_end_id=None if turn_end is None else plain.token_to_id(turn_end),
        turn_end=turn_end,
        pad_id=end_of_text_id if pad is None else int(pad),
        vocab_size=vocab_size,
    )


def find_turn_end(render: Render, added: Sequence[str]) -> str:
    """The control token that follows the assistant's message in the chat template."""
    said = "The answer."
    messages = [{"role": "user", "content": "A question."}, {"role": "assistant", "content": said}]
    try:
        text = render(messages, False)
    except TemplateRefuses as error:
        try:
            # some templates demand a system turn
            text = render([{"role": "system", "content": "A system turn."}, *messages], False)
        except TemplateRefuses:
            raise StageError(
                f"the chat template refuses a question and its answer: {error}; expected one that renders them: {FIX}"
            ) from error
    if said not in text:
        raise StageError(f"the chat template omits the assistant's message ({text[-60:]!r}); {FIX}")
    rest = text[text.rindex(said) + len(said) :].lstrip()
    candidates = [token for token in added if rest.startswith(token)]
    if not candidates:
        raise StageError(
            f"the chat template ends the assistant's turn with {rest[:40]!r}; expected a control token, without which"
            " an answer has no end to learn: give sources.<base_model> a tokenizer with such a chat_template"
        )
    return max(candidates, key=len)


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
    """The tokenizer if it gives the ids of tokenizer.json, else None and why not."""
    from transformers import AutoTokenizer

    expected = plain.encode(PROBE, add_special_tokens=False).ids
    try:
        with reading_source("loading the tokenizer", folder):
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            found = tokenizer(PROBE, add_special_tokens=False)["input_ids"]
    except StageError as error:
        return None, error
    fault = StageError(
        f"the tokenizer that transformers builds gives {found[:12]}... for {PROBE[:20]!r}..., tokenizer.json"
        f" {expected[:12]}...; expected equal ids, also with tokenizer_class {AS_IT_IS}: check tokenizer_config.json in"
        " sources.<base_model>"
    )
    return (tokenizer if found == expected else None), fault


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
    path = folder / "chat_template.jinja"
    return [
        settings.get("chat_template"),
        path.read_text(encoding="utf-8", errors="replace") if path.exists() else None,
    ]
