"""The forms of instruction data: names of fields and roles.

Names are compared in small letters, with blanks and hyphens as underscores (`Counter Argument`). Two tables of names
stand for many forms: a row with any known question and any known answer is a pair, whatever tool wrote it. Forms are
known by content and not by a knob, because one file may hold rows of several.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

# fields that may hold a list of turns
TURN_LISTS = ("messages", "conversations", "conversation", "dialogue", "dialog", "turns")
# fields of a turn: who speaks, and the words
SPEAKERS = ("role", "from", "speaker")
WORDS = ("content", "value", "text")
# who speaks, by the names that data has
SPEAKER_ROLES: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("system", "developer"), "system"),
        **dict.fromkeys(("user", "human", "prompter"), "user"),
        **dict.fromkeys(("assistant", "gpt", "chatgpt", "bot", "model", "ai"), "assistant"),
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
        "user": "assistant",
        "human": "assistant",
    }
)
ANSWERS = (
    *("output", "response", "answer", "completion", "counter_argument", "solution", "target", "targets"),
    *("assistant", "gpt", "bot"),
)
# text that a question is about, and that stands below it
CONTEXTS = ("input", "context")
SYSTEMS = ("system", "system_prompt")
HISTORY = "history"
TOOLS = "tools"
# fields of preference data: an answer that is better than another, or a verdict on one
PREFERENCES = (("chosen", "rejected"), ("chosen_response", "rejected_response"))
# fields that say whether an answer is good, and the field of the answer beside them ("": any)
VERDICTS = (("label", "completion"), ("kto_tag", ""))
# what a turn shows and no text holds
MEDIA = ("image", "images", "video", "videos", "audio", "audios")
# what people are told was looked for
LOOKED_FOR = f"a list of turns ({', '.join(TURN_LISTS)}), or a question and an answer ({', '.join(QUESTIONS)}; {', '.join(ANSWERS)})"
_SEPARATORS = re.compile(r"[\s-]+")


def plain_name(key: str) -> str:
    """A field's name in the form in which names are compared."""
    return _SEPARATORS.sub("_", key.strip().lower())


def form_of_pair(question: str, answer: str) -> str:
    """The name of a pair's form, as the figures show it."""
    return "alpaca" if (question, answer) == ("instruction", "output") else f"{question}_{answer}"
