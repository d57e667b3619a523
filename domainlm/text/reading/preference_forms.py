"""Rows of preference data, by the names of their fields.

In: a row's fields by plain name. Out: why it is preference data, or None. Such a row says which of several answers is
better, or whether one is good; learned as a conversation, it would teach the worse answer, too. So it is told from a
conversation before anything of it is taken, also where an answer stands beside a rejected one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domainlm.text.reading.conversation_forms import ANSWERS, OTHER_TURN_LISTS, TURN_LISTS, is_filled

# an answer beside one that it is compared with
COMPARED = (
    ("chosen", "rejected"),
    ("chosen", "reject"),
    ("preferred", "dispreferred"),
    ("response_0", "response_1"),
    ("response_1", "response_2"),
    ("response_a", "response_b"),
    ("response_j", "response_k"),
    ("answer_0", "answer_1"),
    ("answer_a", "answer_b"),
    ("output_1", "output_2"),
    ("completion_a", "completion_b"),
)
# an answer that is worse than the row's own
WORSE = ("rejected_response", "rejected_output", "rejected_answer", "rejected_messages", "non_preferred_output")
# several answers to one question
SEVERAL = ("completions", "responses", "candidates")
# whether the answer is a good one; `label` has other meanings where it is neither true nor false
VERDICTS = ("kto_tag", "label")
_TRUTHS = ("true", "false")


def preference_in(named: Mapping[str, Any]) -> str | None:
    """Why a row is preference data, or None."""
    for pair in COMPARED:
        if all(is_filled(named.get(name)) for name in pair):
            return f"{pair[0]} and {pair[1]} are two answers"
    if (worse := next((name for name in WORSE if is_filled(named.get(name))), None)) is not None:
        return f"{worse} is a worse answer"
    has_answer = any(is_filled(named.get(name)) for name in (*ANSWERS, *TURN_LISTS, *OTHER_TURN_LISTS))
    verdict = next((name for name in VERDICTS if _is_truth(named.get(name))), None)
    if verdict is not None and has_answer:
        return f"{verdict} says whether the answer is a good one"
    several = next((name for name in ANSWERS if is_choice(named.get(name))), None)
    if several is None:
        several = next((name for name in SEVERAL if isinstance(named.get(name), list) and len(named[name]) > 1), None)
    return None if several is None else f"{several} has {len(named[several])} answers"


def is_choice(value: Any) -> bool:
    """Whether a field holds several answers."""
    return isinstance(value, list) and len(value) > 1 and all(isinstance(each, str) for each in value)


def _is_truth(value: Any) -> bool:
    return isinstance(value, bool) or (isinstance(value, str) and value.strip().lower() in _TRUTHS)
