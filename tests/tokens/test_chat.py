from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from domainlm.tokens.chat import ConversationError, Messages, encode_conversation, encode_pieces, split_turns
from domainlm.tokens.template import Render

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


def encode(text: str) -> Any:
    return SimpleNamespace(ids=[ord(letter) for letter in text], offsets=[(n, n + 1) for n in range(len(text))])


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


def turns(
    messages: Messages,
    has_prompt: bool,
    opened: str = "",
    before_last: str = "",
    end_of_all: str = "",
    is_open: bool = False,
) -> str:
    """A template of the ways in which known ones do not only grow.

    opened: what follows the prompt's role. before_last: what precedes the last answer. end_of_all: what ends a
    conversation. is_open: whether it always opens a next turn.
    """
    text = ""
    for number, message in enumerate(messages):
        is_last = message["role"] == "assistant" and number == len(messages) - 1
        text += f"<S>{message['role']}\n{before_last if is_last else ''}{message['content']}<E>\n"
    if has_prompt or is_open:
        return f"{text}<S>assistant\n{opened}"
    return text + end_of_all


def system_in_the_last_question(messages: Messages, has_prompt: bool) -> str:
    """As Mistral's template does."""
    system = f"{messages[0]['content']}\n\n" if messages[0]["role"] == "system" else ""
    last = max(number for number, message in enumerate(messages) if message["role"] == "user")
    text = "<s>"
    for number, message in enumerate(messages):
        if message["role"] == "user":
            text += f"[INST] {system if number == last else ''}{message['content']}[/INST]"
        elif message["role"] == "assistant":
            text += f" {message['content']}<E>"
    return text


@pytest.mark.parametrize(
    ("template", "learned"),
    [
        # Qwen3: no reasoning is written as an empty one in the last turn only
        (partial(turns, before_last="<think>\n\n</think>\n\n"), ["because<E>", "<think>\n\n</think>\n\nyes<E>"]),
        # R1: a prompt opens the reasoning, a finished answer has none
        (partial(turns, opened="<think>\n"), ["because<E>", "yes<E>"]),
        # GLM 4.7: the prompt opens the reasoning, an answer without one closes it
        (partial(turns, opened="<think>", before_last="</think>"), ["because<E>", "</think>yes<E>"]),
        # Nemotron: the answer closes it at once
        (partial(turns, opened="<think>\n", before_last="<think></think>"), ["because<E>", "</think>yes<E>"]),
        # Phi-3: the end of text stands after the last turn only
        (partial(turns, end_of_all="<end>"), ["because<E>", "yes<E>"]),
        # the first one of Llama 3: the next turn is always open
        (partial(turns, is_open=True), ["because<E>", "yes<E>"]),
        (system_in_the_last_question, [" because<E>", " yes<E>"]),
    ],
)
def test_templates_that_do_not_only_grow_are_learned_as_the_whole_has_them(
    template: Render, learned: list[str]
) -> None:
    pieces = split_turns(template, CONVERSATION, END)
    assert "".join(text for text, _ in pieces) == template(CONVERSATION, False)
    assert [text for text, is_learned in pieces if is_learned] == learned


def test_an_answer_whose_reasoning_the_prompt_opens_is_learned_from_there_on() -> None:
    # Qwen3-Thinking, Nemotron: the answer holds its reasoning in full
    reasoned = [*CONVERSATION[:4], {"role": "assistant", "content": "<think>\nhm\n</think>\n\nyes"}]
    pieces = split_turns(partial(turns, opened="<think>\n"), reasoned, END)
    assert [text for text, is_learned in pieces if is_learned] == ["because<E>", "hm\n</think>\n\nyes<E>"]
    assert "".join(text for text, _ in pieces) == turns(reasoned, False)
    assert pieces[2][0].endswith("<S>assistant\n<think>\n")


def test_an_answer_of_which_a_template_drops_the_beginning_is_not_learned() -> None:
    def without_reasoning(messages: Messages, has_prompt: bool) -> str:
        """As R1's: what precedes </think> goes."""
        kept = [{**m, "content": m["content"].rpartition("</think>")[2]} for m in messages]
        return turns(kept, has_prompt, opened="<think>\n")

    reasoned = [CONVERSATION[1], {"role": "assistant", "content": "<think>\nhm\n</think>\n\nyes"}]
    with pytest.raises(ConversationError, match="template_changes_answer"):
        split_turns(without_reasoning, reasoned, END)


def test_a_system_turn_that_only_an_open_question_has_is_in_the_prompt() -> None:
    def loop_last(messages: Messages, has_prompt: bool) -> str:
        """As the template of Mistral 7B v0.3, which looks for the system turn's place in the last message."""
        if messages[-1]["role"] == "assistant":
            return system_in_the_last_question([m for m in messages if m["role"] != "system"], has_prompt)
        return system_in_the_last_question(messages, has_prompt)

    pieces = split_turns(loop_last, CONVERSATION, END)
    assert pieces == [
        ("<s>[INST] why?[/INST]", False),
        (" because<E>", True),
        ("[INST] be brief\n\nreally?[/INST]", False),
        (" yes<E>", True),
    ]
    assert split_turns(loop_last, CONVERSATION[:3], END)[0] == ("<s>[INST] be brief\n\nwhy?[/INST]", False)


def test_a_question_that_repeats_the_answer_does_not_move_it() -> None:
    said = [{**message, "content": "yes [/INST] yes"} for message in CONVERSATION]
    pieces = split_turns(system_in_the_last_question, said, END)
    assert [text for text, is_learned in pieces if is_learned] == [" yes [/INST] yes<E>"] * 2


def test_a_question_behind_an_answer_without_an_end_is_not_learned() -> None:
    def ends_the_last_answer(messages: Messages, has_prompt: bool) -> str:
        """User's turns have an end, and of the assistant's only the last one."""
        last = len(messages) - 1
        turns = "".join(
            f"<S>{m['role']}\n{m['content']}{'' if m['role'] == 'assistant' and n < last else '<E>'}\n"
            for n, m in enumerate(messages)
        )
        return turns + ("<S>assistant\n" if has_prompt else "")

    with pytest.raises(ConversationError) as caught:
        split_turns(ends_the_last_answer, CONVERSATION, END)
    assert caught.value.reason in ("template_changes_answer", "template_rewrites_turns")


def test_a_conversation_whose_earlier_turns_are_dropped_is_rejected() -> None:
    def drops_earlier(messages: Messages, has_prompt: bool) -> str:
        return render(messages[-2:], has_prompt)

    with pytest.raises(ConversationError) as caught:
        split_turns(drops_earlier, CONVERSATION, END)
    assert caught.value.reason == "template_rewrites_turns"


def test_a_template_that_allows_no_prefix_rejects_the_conversation() -> None:
    def whole_only(messages: Sequence[Mapping[str, str]], has_prompt: bool) -> str:
        if len(messages) < 5:
            raise ValueError("five turns, please")
        return render(messages, has_prompt)

    with pytest.raises(ConversationError, match="template_refuses: five turns, please"):
        split_turns(whole_only, CONVERSATION, END)


def test_a_conversation_whose_answer_the_template_changes_is_rejected() -> None:
    def shouts(messages: Sequence[Mapping[str, str]], has_prompt: bool) -> str:
        return render([{**m, "content": m["content"].upper()} for m in messages], has_prompt)

    with pytest.raises(ConversationError, match=r"template_changes_answer: .*BECAUSE"):
        split_turns(shouts, CONVERSATION, END)


def merging(text: str) -> Any:
    """Line feeds in one token, as far as they go; `a` before one is one token with it."""
    tokens = [(match.group(), match.span()) for match in re.finditer(r"a\n|\n+|.", text)]
    return SimpleNamespace(ids=[piece for piece, _ in tokens], offsets=[span for _, span in tokens])


def test_prompt_and_answer_are_tokenised_apart_only_where_a_token_would_join_them() -> None:
    apart = [("ask\n", False), ("\nyes", True), ("\n", False)]
    assert encode_pieces(merging, apart) == (["a", "s", "k", "\n", "\n", "y", "e", "s", "\n"], [0] * 4 + [1] * 4 + [0])
    together = [("ask\n", False), ("a", True), ("\n", False)]
    assert encode_pieces(merging, together) == (["a", "s", "k", "\n", "a\n"], [0, 0, 0, 0, 1])


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


def test_a_template_that_shortens_a_question_is_refused() -> None:
    def shortened(messages: Messages, has_prompt: bool) -> str:
        cut = [m if m["role"] == "assistant" else {**m, "content": m["content"][:20]} for m in messages]
        return render(cut, has_prompt)

    def stripped(messages: Messages, has_prompt: bool) -> str:
        return render([{**m, "content": m["content"].strip()} for m in messages], has_prompt)

    long = [{"role": "user", "content": "  why is it\n\nas long as this? "}, {"role": "assistant", "content": "so"}]
    assert split_turns(shortened, CONVERSATION, END) == split_turns(render, CONVERSATION, END)
    assert [text for text, learned in split_turns(stripped, long, END) if learned] == ["so<E>"]
    with pytest.raises(ConversationError) as caught:
        split_turns(shortened, long, END)
    assert caught.value.reason == "template_changes_question"


def test_a_conversation_whose_system_turn_is_left_out_is_rejected() -> None:
    def without_system(messages: Messages, has_prompt: bool) -> str:
        return render([m for m in messages if m["role"] != "system"] or messages, has_prompt)

    assert split_turns(without_system, CONVERSATION[1:], END)
    with pytest.raises(ConversationError, match="'be brief' is not in the rendering") as caught:
        split_turns(without_system, CONVERSATION, END)
    assert caught.value.reason == "template_omits_system"


@pytest.mark.parametrize("system", ["Be brief. /no_think", "/think", "Be brief. /no_think Be kind."])
def test_switches_that_a_template_takes_out_of_a_system_turn_are_none_of_its_words(system: str) -> None:
    def acts(messages: Messages, has_prompt: bool) -> str:
        shown = [{**m, "content": re.sub("/(no_)?think", "", m["content"])} for m in messages]
        return render(shown, has_prompt)

    messages = [{"role": "system", "content": system}, *CONVERSATION[1:]]
    for template in (acts, render):
        assert [text for text, learned in split_turns(template, messages, END) if learned] == ["because<E>", "yes<E>"]
