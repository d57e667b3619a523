"""Conversations: chat rendering with a loss mask on the assistant's turns.

In: messages and the tokenizer's own chat template. Out: token ids and a mask that is 1 on the assistant's content and
on the token that ends its turn, 0 elsewhere. Most templates have no `{% generation %}` marker, so the text is
rendered prefix by prefix; the text that the assistant's turn adds to the prompt is its content. Prompt and answer are
tokenised apart, as they are when the model answers: no token is merged across the border that generation would never
see.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from domainlm.contract import StageError
from domainlm.tokens.template import Render

Encode = Callable[[str], list[int]]


class ConversationError(ValueError):
    """One conversation that cannot be learned from.

    The rejected ones are counted by `reason`.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def check_messages(messages: Sequence[Mapping[str, str]], special: Collection[str]) -> None:
    """Raise ConversationError if messages cannot be rendered faithfully.

    A control token's text inside a message would become the control token itself, and end a turn too early.
    """
    if not any(message["role"] == "assistant" for message in messages):
        raise ConversationError("no_assistant_turn", f"roles are {[message['role'] for message in messages]}")
    # whether a system turn stands in front says nothing of who speaks first
    if next(message["role"] for message in messages if message["role"] != "system") == "assistant":
        raise ConversationError("assistant_first", "the first turn is the assistant's")
    for message in messages:
        if not message["content"].strip():
            raise ConversationError("empty_turn", f"role {message['role']}")
        found = [token for token in special if token in message["content"]]
        if found:
            raise ConversationError("control_token_in_text", sorted(found)[0])


def split_turns(render: Render, messages: Sequence[Mapping[str, str]], turn_end: str) -> list[tuple[str, bool]]:
    """Text pieces of a conversation, each with a flag: learned or not.

    Their concatenation is the whole text. Raises ConversationError if the template refuses the conversation,
    StageError if the template itself cannot be rendered prefix by prefix.
    """
    try:
        whole = render(messages, False)
    except ValueError as error:
        raise ConversationError("template_refuses", str(error)) from error
    pieces: list[tuple[str, bool]] = []
    done = 0
    for index, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        prompt = _render_prefix(render, messages[:index], True)
        turns = _render_prefix(render, messages[: index + 1], False)
        if not (whole.startswith(turns) and turns.startswith(prompt) and len(prompt) >= done):
            raise StageError(
                f"the chat template renders turns {index + 1} of {len(messages)} otherwise than as a part of the whole"
                f" conversation (prompt ends {prompt[-60:]!r}); expected a template whose output only grows: give"
                " sources.<base_model> a tokenizer with such a chat_template"
            )
        end = turns.find(turn_end, len(prompt))
        said = turns[len(prompt) : end]
        if end < 0 or said.strip() != message["content"].strip():
            raise StageError(
                f"the chat template changes the assistant's message: {said[:80]!r} instead of"
                f" {message['content'][:80]!r}, ended by {turn_end!r}; give sources.<base_model> a plain chat_template"
            )
        pieces += [(whole[done : len(prompt)], False), (whole[len(prompt) : end + len(turn_end)], True)]
        done = end + len(turn_end)
    pieces.append((whole[done:], False))
    if "".join(text for text, _ in pieces) != whole:
        raise StageError("the pieces of a conversation do not add up to its text; this is a bug in split_turns")
    return [piece for piece in pieces if piece[0]]


def encode_conversation(
    render: Render, encode: Encode, messages: Sequence[Mapping[str, str]], turn_end: str, special: Collection[str]
) -> tuple[list[int], list[int]]:
    """Ids and loss mask of one conversation, both of one length."""
    check_messages(messages, special)
    ids: list[int] = []
    mask: list[int] = []
    for text, is_learned in split_turns(render, messages, turn_end):
        piece = encode(text)
        ids += piece
        mask += [int(is_learned)] * len(piece)
    return ids, mask


def _render_prefix(render: Render, messages: Sequence[Mapping[str, str]], has_prompt: bool) -> str:
    try:
        return render(messages, has_prompt)
    except ValueError as error:
        raise StageError(
            f"the chat template renders the whole conversation but not its first {len(messages)} turns: {error};"
            " expected a template that allows prefixes: give sources.<base_model> a tokenizer with such a chat_template"
        ) from error
