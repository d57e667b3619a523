"""The forms of instruction data: names of fields and roles.

Names are compared in small letters, with blanks and hyphens as underscores (`Counter Argument`). Two tables of names
stand for many forms: a row with any known question and any known answer is a pair, whatever tool wrote it. Forms are
known by content and not by a knob, because one file may hold rows of several.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from domainlm.text.characters import is_blank

# fields that may hold a list of turns
TURN_LISTS = ("messages", "conversations", "conversation", "dialogue", "dialog", "turns")
# fields that hold turns in some tools and other things in others: they count where there is no question with its answer
OTHER_TURN_LISTS = ("chat", "items", "contents", "data")
# of these, the one whose turns may be mere texts (UltraChat)
TEXT_LIST = "data"
# fields of a turn: who speaks, and the words
SPEAKERS = ("role", "from", "speaker")
WORDS = ("content", "value", "text", "message", "parts")
# fields by which a turn says that it is read and not learned, if they are false or 0
LEARNED = ("weight", "loss", "train", "training", "output_with_loss")
# who speaks, by the names that data has
SPEAKER_ROLES: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("system", "developer"), "system"),
        **dict.fromkeys(("user", "human", "prompter"), "user"),
        **dict.fromkeys(("assistant", "gpt", "chatgpt", "bot", "chatbot", "model", "ai", "bing", "bard"), "assistant"),
        **dict.fromkeys(("tool", "observation", "function", "function_response", "tool_response", "ipython"), "tool"),
        **dict.fromkeys(("function_call", "tool_call"), "call"),
    }
)
# questions, each with the answer that is its own; any other known answer is taken where that is missing
QUESTIONS: Mapping[str, str] = MappingProxyType(
    {
        "instruction": "output",
        "question": "answer",
        "prompt": "completion",
        "query": "response",
        "scenario": "response",
        "claim": "counter_argument",
        "problem": "solution",
        "input": "output",
        "inputs": "targets",
        "input_text": "output_text",
        "user": "assistant",
        "human": "assistant",
    }
)
ANSWERS = (
    *("output", "response", "answer", "completion", "counter_argument", "solution", "target", "targets"),
    *("assistant", "gpt", "bot", "generation", "ideal", "output_text", "target_text"),
)
# questions that an instruction beside them says what to do with; a prompt beside it is often both in a tool's own words
INSTRUCTED = ("question", "query", "problem", "scenario", "claim")
# text that a question is about, and that stands below it
CONTEXTS = ("input", "context", "passage", "article")
# answers to choose from, without which a question is another one
CHOICES = ("choices", "options")
SYSTEMS = ("system", "system_prompt", "system_instruction", "systeminstruction")
HISTORY = "history"
TOOLS = "tools"
# what a turn shows and no text holds
MEDIA = ("image", "images", "video", "videos", "audio", "audios")
# what people are told was looked for
LOOKED_FOR = (
    f"a list of turns ({', '.join((*TURN_LISTS, *OTHER_TURN_LISTS))}), or a question and an answer "
    f"({', '.join(QUESTIONS)}; {', '.join(ANSWERS)})"
)
# why a row or a file was never meant as a conversation to learn from: files beside the data of a set that `datasets`
# saved to disk, preference data, files without rows
METADATA, PREFERENCE, NO_RECORDS = "dataset_metadata", "preference_row", "no_records"
NOT_JUDGED = (METADATA, PREFERENCE, NO_RECORDS)
_SEPARATORS = re.compile(r"[\s-]+")


def plain_name(key: str) -> str:
    """A field's name in the form in which names are compared."""
    return _SEPARATORS.sub("_", key.strip().lower())


def names_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """A row's fields that are not null, by plain name."""
    named: dict[str, Any] = {}
    for name, value in record.items():
        if not is_missing(value):
            named.setdefault(plain_name(str(name)), value)
    return named


def is_missing(value: Any) -> bool:
    """Whether a field is null, or a table's number for that."""
    return value is None or (isinstance(value, float) and value != value)


def is_filled(value: Any) -> bool:
    """Whether a field is no null, no blank and no empty list."""
    return not is_missing(value) and value not in ([], {}) and not (isinstance(value, str) and is_blank(value))


def form_of_pair(question: str, answer: str) -> str:
    """The name of a pair's form, as the figures show it."""
    return "alpaca" if (question, answer) == ("instruction", "output") else f"{question}_{answer}"
