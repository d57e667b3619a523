"""Control tokens whose names stand in a text.

In: the folder of a built base model. Out: the tokenizer of documents, which reads such names as text; the tokens that
no message of a conversation may name. Property kept: a document never steers the model, whatever the tokenizer's file
calls its control tokens. Files call many of them ordinary (`"special": false`: `<tool_call>` and `<|fim_prefix|>` of
Qwen, `<think>`, the roles of DeepSeek), and also hold ordinary text among their added tokens (runs of blanks, HTML's
tags, masks of e-mail addresses, words that users added). So the flag alone does not decide; shape and use do.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from domainlm.tokens.special import SpecialTokens, read_special_tokens
from domainlm.tokens.tokenizer import read_tokenizer

# <|im_start|>, <｜User｜>, [|user|], <|turn>, <turn|>
_BARS = re.compile(r"(?=.*\w)(?:[<\[][|｜].*[>\]]|[<\[].*[|｜][>\]])")
# <start_of_turn>, [/INST]: control tokens where a chat template writes them, and HTML's tags otherwise
_TAG = re.compile(r"▁?[<\[]/?[A-Za-z][^<>\[\]\s]*[>\]]")
# of code completion, files of repositories, reasoning, tools; rows that no text has trained
_NAMED = re.compile(
    r"▁?[<\[]/?(?:PRE|SUF|MID|EOT"
    r"|(?i:fim[\W_]*(?:prefix|middle|suffix|pad|begin|hole|end)"
    r"|think|thinking|tool_calls?|tool_responses?"
    r"|repo_?name|file_?sep|filename|gh_stars|issue_(?:start|comment|closed)|jupyter_\w+|empty_output"
    r"|commit_(?:before|msg|after)|(?:start|end)_of_\w+"
    r"|(?:unused|reserved|extra_id|special|control|placeholder)\w*\d+))[>\]]"
)
TEMPLATE_FILES = ("chat_template.jinja", "chat_template.json", "tokenizer_config.json")


def read_text_tokenizer(folder: Path) -> Any:
    """The tokenizer of documents: control tokens that they name are text.

    Raises StageError.
    """
    tokenizer = read_tokenizer(folder)
    called_ordinary = control_tokens(folder, tokenizer) - _flagged(tokenizer)
    if called_ordinary:
        from tokenizers import Tokenizer

        # the library passes over those alone that the file calls special
        values = json.loads(tokenizer.to_str())
        for token in values["added_tokens"]:
            token["special"] = token["special"] or token["content"] in called_ordinary
        tokenizer = Tokenizer.from_str(json.dumps(values))
    tokenizer.encode_special_tokens = True
    return tokenizer


def control_tokens(folder: Path, tokenizer: Any) -> set[str]:
    """The added tokens of a base model that steer it."""
    tokens, template = read_special_tokens(folder), _templates(folder)
    return {
        token.content
        for number, token in tokenizer.get_added_tokens_decoder().items()
        if token.special
        or number in (tokens.end_of_text_id, tokens.turn_end_id, *tokens.text_start_ids)
        or is_control_name(token.content)
        or (_TAG.fullmatch(token.content) and token.content in template)
    }


def is_control_name(text: str) -> bool:
    """Whether a token of this name steers, whatever its flag."""
    return bool(_BARS.fullmatch(text) or _NAMED.fullmatch(text))


def not_in_messages(folder: Path, tokenizer: Any, tokens: SpecialTokens) -> set[str]:
    """The control tokens that no message may name.

    In a message, a name becomes the token: it would end the turn, or begin another's. Reasoning and calls of tools are
    an assistant's words, and models of code are asked by tokens of their own; no template ends or begins a turn by those.
    """
    template = _templates(folder)
    added = (token.content for token in tokenizer.get_added_tokens_decoder().values())
    written = {content for content in added if _BARS.fullmatch(content) and content in template}
    return {*_flagged(tokenizer), *written, tokens.turn_end, tokens.end_of_text}


def _flagged(tokenizer: Any) -> set[str]:
    return {token.content for token in tokenizer.get_added_tokens_decoder().values() if token.special}


def _templates(folder: Path) -> str:
    """The text of all chat templates of a folder."""
    found = []
    for name in TEMPLATE_FILES:
        path = folder / name
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        if text and name.endswith(".json"):
            # one text, or several with names
            text = json.dumps(json.loads(text).get("chat_template"), ensure_ascii=False)
        found.append(text)
    return "\n".join(found)
