"""Conversations: chat rendering with a loss mask on the assistant's turns.

In: messages and the tokenizer's own chat template. Out: token ids and a mask that is 1 on the assistant's content and
on the token that ends its turn, 0 elsewhere. Most templates have no `{% generation %}` marker, so each assistant's
turn is found in the rendering of the whole conversation: it begins where the rendering of the turns before it, opened
for an answer, ends. The whole is tokenised at once, as a tokenizer does that puts a blank before a text's first word;
only where a token would lie across the border of prompt and answer, which a model never sees when it answers, are the
two tokenised apart.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import accumulate
from typing import Protocol

from domainlm.contract import StageError
from domainlm.tokens.template import Render

Messages = Sequence[Mapping[str, str]]
Piece = tuple[str, bool]
# stands for an answer, to find its place
STAND_IN = "\ue000answer\ue001"
# why a conversation is rejected whose system turn a template leaves out
OMITS_SYSTEM = "template_omits_system"
# what templates take out of a system turn and act on (SmolLM3)
_SWITCHES = re.compile(r"/(?:no_)?think\b")
# a shorter end of a prompt is found by chance
MIN_PROMPT_END_CHARS = 5
_OPEN_TAG = re.compile(r"[<\[][^<>\[\]\s]*\Z")
_TAG = re.compile(r"[<\[][^<>\[\]\s]*[>\]]")


class Encoded(Protocol):
    """What a tokenizer gives for a text: ids and their places."""

    @property
    def ids(self) -> list[int]: ...

    @property
    def offsets(self) -> list[tuple[int, int]]: ...


Encode = Callable[[str], Encoded]


class ConversationError(ValueError):
    """One conversation that cannot be learned from.

    The rejected ones are counted by `reason`.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def check_messages(messages: Messages, special: Collection[str]) -> None:
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


def split_turns(render: Render, messages: Messages, turn_end: str) -> list[Piece]:
    """Text pieces of a conversation, each with a flag: learned or not.

    Their concatenation is the text of the conversation. Raises ConversationError if the template refuses the
    conversation, or writes something else in an answer's place, or not all of a question or a system turn. A template
    need not only grow: some drop the reasoning of earlier turns, or move the system turn into the last question.
    """
    whole = _as_asked(render, messages, _rendered(render, messages, False))
    pieces: list[Piece] = []
    done = 0
    for index, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        start = _answer_start(render, messages, index, whole, done)
        end = whole.find(turn_end, start)
        # what follows the answer would be learned with it: a template may end only the last of the assistant's turns
        if end < 0 or not _is_said(render, messages, index, whole, start, end):
            raise ConversationError(
                "template_changes_answer",
                f"turn {index + 1} is rendered as {whole[start:end][:80]!r} instead of {message['content'][:80]!r}, ended by"
                f" {turn_end!r}",
            )
        pieces += [(whole[done:start], False), (whole[start : end + len(turn_end)], True)]
        done = end + len(turn_end)
    _check_read(messages, whole)
    pieces.append((whole[done:], False))
    if "".join(text for text, _ in pieces) != whole:
        raise StageError("the pieces of a conversation do not add up to its text; this is a bug in split_turns")
    return [piece for piece in pieces if piece[0]]


def _is_said(render: Render, messages: Messages, index: int, whole: str, start: int, end: int) -> bool:
    """Whether the whole rendering has a turn's answer in its place.

    A prompt that opens a reasoning holds the beginning of an answer that has one (<think>); the rest is learned.
    """
    said, content = whole[start:end].rstrip(), messages[index]["content"].strip()
    if said.endswith(content) or len(said) >= len(content):
        return said.endswith(content)
    begin = start + len(said) - len(content)
    closed = _rendered(render, messages[:index], False)
    return begin >= _common_chars(closed, whole) > 0 and whole.startswith(content, begin)


def _check_read(messages: Messages, whole: str) -> None:
    """Raise ConversationError if a rendering lacks words that are read.

    An answer would be learned to another question, or without the system turn that asks for it. Whitespace may differ,
    as templates strip it; a system turn may stand anywhere, as some move it into the last question.
    """
    squeezed, at = "".join(whole.split()), 0
    for index, message in enumerate(messages):
        parts = _SWITCHES.split(message["content"]) if message["role"] == "system" else []
        if any("".join(part.split()) not in squeezed for part in parts):
            raise ConversationError(OMITS_SYSTEM, f"{message['content'][:80]!r} is not in the rendering")
        if message["role"] == "user":
            question = "".join(message["content"].split())
            place = squeezed.find(question, at)
            if place < 0:
                raise ConversationError(
                    "template_changes_question",
                    f"turn {index + 1}, {message['content'][:80]!r}, is not in the rendering",
                )
            at = place + len(question)


def _as_asked(render: Render, messages: Messages, whole: str) -> str:
    """The whole rendering, its last answer after the prompt for it.

    Some templates write the system turn into a question that has no answer yet, and nowhere once it has one (Mistral
    7B v0.3).
    """
    last = max((index for index, message in enumerate(messages) if message["role"] == "assistant"), default=0)
    prompt = _rendered(render, messages[:last], True) if last else ""
    if whole.startswith(prompt):
        return whole
    start = _answer_start(render, messages, last, whole, 0)
    return whole if prompt.startswith(whole[:start]) else prompt + whole[start:]


def encode_conversation(
    render: Render, encode: Encode, messages: Messages, turn_end: str, special: Collection[str]
) -> tuple[list[int], list[int]]:
    """Ids and loss mask of one conversation, both of one length."""
    check_messages(messages, special)
    return encode_pieces(encode, split_turns(render, messages, turn_end))


def encode_pieces(encode: Encode, pieces: Sequence[Piece]) -> tuple[list[int], list[int]]:
    """Ids of a text in pieces, and their pieces' flags.

    They are those of the whole text, unless a prompt alone has other tokens than before its answer.
    """
    whole = encode("".join(text for text, _ in pieces))
    ends = list(accumulate(len(text) for text, _ in pieces))
    mask, counts = _flags(whole, pieces, ends)
    if _are_prompts_alike(encode, whole, pieces, counts):
        return list(whole.ids), mask
    ids: list[int] = []
    mask = []
    for text, is_learned in pieces:
        piece = _continuation(encode, text) if is_learned else list(encode(text).ids)
        ids += piece
        mask += [int(is_learned)] * len(piece)
    return ids, mask


def _flags(whole: Encoded, pieces: Sequence[Piece], ends: Sequence[int]) -> tuple[list[int], list[int]]:
    """The flag of each token, and the tokens before each piece's end.

    A token belongs to the piece in which it begins: control tokens may take the line feed after them.
    """
    mask: list[int] = []
    counts = [0] * len(pieces)
    at = 0
    for start, _ in whole.offsets:
        while at < len(pieces) - 1 and start >= ends[at]:
            at += 1
            counts[at] = len(mask)
        mask.append(int(pieces[at][1]))
        counts[at] = len(mask)
    return mask, counts


def _are_prompts_alike(encode: Encode, whole: Encoded, pieces: Sequence[Piece], counts: Sequence[int]) -> bool:
    """Whether each answer follows the tokens that its prompt has alone."""
    for index in range(1, len(pieces)):
        if pieces[index][1] and not pieces[index - 1][1]:
            before = counts[index - 2] if index > 1 else 0
            # a piece begins after a control token, so its own tokens usually decide; if not, all text before the answer does
            if list(encode(pieces[index - 1][0]).ids) == list(whole.ids[before : counts[index - 1]]):
                continue
            prompt = "".join(text for text, _ in pieces[:index])
            if list(encode(prompt).ids) != list(whole.ids[: counts[index - 1]]):
                return False
    return True


def _continuation(encode: Encode, text: str) -> list[int]:
    """Tokens of a text that follows another one.

    SentencePiece puts a blank before a text's first word, which is not there in the middle of one.
    """
    anchor, both = list(encode("\n").ids), list(encode(f"\n{text}").ids)
    return both[len(anchor) :] if both[: len(anchor)] == anchor else list(encode(text).ids)


def _answer_start(render: Render, messages: Messages, index: int, whole: str, done: int) -> int:
    """Where the answer of a turn begins in the whole rendering."""
    prompt = _rendered(render, messages[:index], True)
    if len(prompt) >= done and whole.startswith(prompt):
        return len(prompt)
    marked = _rendered(
        render, [*messages[:index], {**messages[index], "content": STAND_IN}, *messages[index + 1 :]], False
    )
    place = marked.find(STAND_IN, done)
    before = whole[done:place]
    if place < 0 or before != marked[done:place]:
        raise _rewritten(index, prompt)
    # the prompt opens the turn with more than the template writes before an answer (R1: <think>)
    closed = _rendered(render, messages[:index], False)
    common, floor = _common_chars(prompt, whole), max(done, _common_chars(prompt, closed))
    if common >= floor:
        return min(_before_cut_tag(whole, floor, common), place)
    # the turns before it are rendered otherwise (Mistral: the system turn is in the last question)
    low, high = 0, min(len(prompt), len(before))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if prompt[len(prompt) - middle :] in before else (low, middle - 1)
    if low < MIN_PROMPT_END_CHARS:
        raise _rewritten(index, prompt)
    return done + before.rfind(prompt[len(prompt) - low :]) + low


def _before_cut_tag(whole: str, floor: int, at: int) -> int:
    """The place, or that of the tag which it would cut.

    A prompt that opens a reasoning and an answer that closes it share the `<` of <think> and </think>.
    """
    opened = _OPEN_TAG.search(whole, floor, at)
    return opened.start() if opened and _TAG.match(whole, opened.start()) else at


def _common_chars(one: str, two: str) -> int:
    """Length of the beginning that two texts share."""
    pairs = zip(one, two, strict=False)
    return next((at for at, (left, right) in enumerate(pairs) if left != right), min(len(one), len(two)))


def _rewritten(index: int, prompt: str) -> ConversationError:
    return ConversationError(
        "template_rewrites_turns",
        f"turn {index + 1} does not follow its prompt in the whole conversation (prompt ends {prompt[-60:]!r})",
    )


def _rendered(render: Render, messages: Messages, has_prompt: bool) -> str:
    try:
        return render(messages, has_prompt)
    except ValueError as error:
        raise ConversationError("template_refuses", str(error)) from error
