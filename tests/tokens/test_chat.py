from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from domainlm.contract import StageError
from domainlm.tokens.chat import ConversationError, encode_conversation, split_turns

END = "<E>"
CONVERSATION = [
    {"role": "system", "content": "be brief"},
    {"role": "user", "content": "why?"},
    {"role": "assistant", "content": "because"},
    {"role": "user", "content": "really?"},
    {"role": "assistant", "content": "yes"},
]


def render(messages: Sequence[Mapping[str, str]], has_prompt: bool) -> str:
    """SmolLM2's template: a default system turn, no generation marker."""
    start = "" if messages[0]["role"] == "system" else "<S>system\nyou are S<E>\n"
    turns = "".join(f"<S>{m['role']}\n{m['content']}<E>\n" for m in messages)
    return start + turns + ("<S>assistant\n" if has_prompt else "")


def encode(text: str) -> list[int]:
    return [ord(letter) for letter in text]


def test_learned_pieces_are_content_and_turn_end() -> None:
    pieces = split_turns(render, CONVERSATION, END)
    assert "".join(text for text, _ in pieces) == render(CONVERSATION, False)
    assert [text for text, learned in pieces if learned] == ["because<E>", "yes<E>"]


def test_mask_covers_exactly_what_the_assistant_says() -> None:
    for messages in (CONVERSATION, CONVERSATION[1:3]):
        ids, mask = encode_conversation(render, encode, messages, END, ["<S>", "<E>"])
        text = "".join(map(chr, ids))
        assert text == render(messages, False)
        said = "".join(letter for letter, learned in zip(text, mask, strict=True) if learned)
        assert said == "".join(m["content"] + END for m in messages if m["role"] == "assistant")


def test_answers_equal_to_earlier_text_are_found_in_their_own_place() -> None:
    messages = [{"role": "user", "content": "yes"}, {"role": "assistant", "content": "yes"}]
    pieces = split_turns(render, messages, END)
    assert pieces[0] == (render(messages[:1], True), False)
    assert pieces[1] == ("yes<E>", True)


def test_a_template_that_rewrites_earlier_turns_is_refused() -> None:
    def drops_earlier(messages: Sequence[Mapping[str, str]], has_prompt: bool) -> str:
        return render(messages[-2:], has_prompt)

    with pytest.raises(StageError, match="only grows"):
        split_turns(drops_earlier, CONVERSATION, END)


def test_a_template_that_allows_no_prefix_is_refused() -> None:
    def whole_only(messages: Sequence[Mapping[str, str]], has_prompt: bool) -> str:
        if len(messages) < 5:
            raise ValueError("five turns, please")
        return render(messages, has_prompt)

    with pytest.raises(StageError, match="prefixes"):
        split_turns(whole_only, CONVERSATION, END)


def test_a_template_that_changes_the_answer_is_refused() -> None:
    def shouts(messages: Sequence[Mapping[str, str]], has_prompt: bool) -> str:
        return render([{**m, "content": m["content"].upper()} for m in messages], has_prompt)

    with pytest.raises(StageError, match="BECAUSE"):
        split_turns(shouts, CONVERSATION, END)


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([{"role": "user", "content": "a"}], "no_assistant_turn"),
        ([{"role": "assistant", "content": "a"}], "assistant_first"),
        ([{"role": r, "content": "a"} for r in ("system", "assistant", "user")], "assistant_first"),
        ([{"role": "user", "content": "a"}, {"role": "assistant", "content": " "}], "empty_turn"),
        ([{"role": "user", "content": "a<E>b"}, {"role": "assistant", "content": "c"}], "control_token_in_text"),
    ],
)
def test_one_bad_conversation_has_a_reason(messages: list[dict[str, str]], reason: str) -> None:
    with pytest.raises(ConversationError) as caught:
        encode_conversation(render, encode, messages, END, ["<S>", "<E>"])
    assert caught.value.reason == reason


def test_a_conversation_that_the_template_refuses_is_rejected_not_fatal() -> None:
    def refuses(messages: Sequence[Mapping[str, str]], has_prompt: bool) -> str:
        raise ValueError("roles must alternate")

    with pytest.raises(ConversationError, match="roles must alternate"):
        split_turns(refuses, CONVERSATION, END)
