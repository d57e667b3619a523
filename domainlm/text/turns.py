"""The order of a conversation's turns, and what each must hold.

In: messages of the roles of `MESSAGE_ROLES`. Out: the first fault, or None. A conversation may begin with one system
turn; then user and assistant take turns, the user first, and the assistant says something at least once. The last
turn may be the user's: it is read and not learned. Strict templates refuse every other order, and lax ones render it,
so that a model would learn to speak unasked.
"""

from __future__ import annotations

from collections.abc import Sequence

from domainlm.text.characters import is_blank

Message = dict[str, str]


def fault_of_turns(messages: Sequence[Message]) -> tuple[str, str] | None:
    """Reason and detail of the first fault, or None.

    Reasons: no_answer, no_question, roles_out_of_order, empty_turn.
    """
    roles = [message["role"] for message in messages]
    turns = roles[1:] if roles[:1] == ["system"] else roles
    if "assistant" not in turns:
        return "no_answer", f"the roles are {_named(roles)}; expected an assistant's turn"
    if "user" not in turns:
        return "no_question", f"the roles are {_named(roles)}; expected a user's turn before the assistant's"
    for number, role in enumerate(turns):
        if role != ("user", "assistant")[number % 2]:
            expected = "user and assistant in turn, the user first, after one system turn at most"
            return "roles_out_of_order", f"the roles are {_named(roles)}; expected {expected}"
    for number, message in enumerate(messages, 1):
        if is_blank(message["content"]):
            return "empty_turn", f"turn {number} of {len(messages)} ({message['role']}) says nothing"
    return None


def without_empty_system(messages: Sequence[Message]) -> list[Message]:
    """The messages without system turns that say nothing: they are no turns."""
    return [message for message in messages if message["role"] != "system" or not is_blank(message["content"])]


def _named(roles: Sequence[str]) -> str:
    shown = ", ".join(roles[:8])
    return f"{shown}, ... ({len(roles)})" if len(roles) > 8 else shown or "none"
