"""A chat template tried on short conversations, before any training.

In: a rendering, or the template that a domain gives. Out: the token that ends a turn; or StageError for a template
that cannot be learned from, which would otherwise be found after pretraining, or never: a template that drops a turn,
or shows the assistant's as the user's, renders without an error. What a template refuses is no fault of it here, as
each conversation that it refuses is rejected by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from domainlm.contract import StageError
from domainlm.models.checkpoint_settings import read_object
from domainlm.text.json_files import write_json
from domainlm.tokens.chat import OMITS_SYSTEM, ConversationError, Messages, split_turns
from domainlm.tokens.plain_templates import TEMPLATES, plain_template
from domainlm.tokens.template import FIX, Render, TemplateRefuses

SYSTEM = {"role": "system", "content": "A system turn."}
ANSWER = "The answer."
# the form that transformers' processors read
PROCESSOR_TEMPLATE = "chat_template.json"
TURNS = [{"role": "user", "content": "A question."}, {"role": "assistant", "content": ANSWER}]
# two rounds, of words that no template writes of itself
ROUNDS = [
    {"role": "user", "content": "Ask for the first pebble."},
    {"role": "assistant", "content": "Give the first pebble."},
    {"role": "user", "content": "Ask for another pebble."},
    {"role": "assistant", "content": "Give another pebble."},
]
SPEAKERS = ("the first question", "the first answer", "the second question", "the second answer")


def given_template(given: str, start: Sequence[str], end_of_text: str, has_token: Callable[[str], bool]) -> str:
    """The template of base_model.chat_template: a plain one's name, or the text."""
    return plain_template(given, start, end_of_text, has_token) if given in TEMPLATES else given


def write_template(folder: Path, text: str) -> None:
    """Put a template in place of the one that the tokenizer had."""
    path = folder / "tokenizer_config.json"
    settings = read_object(path) if path.exists() else {}
    if "chat_template" in settings:
        write_json(path, {key: value for key, value in settings.items() if key != "chat_template"})
    (folder / PROCESSOR_TEMPLATE).unlink(missing_ok=True)
    (folder / "chat_template.jinja").write_text(text, encoding="utf-8", newline="\n")


def with_processor_template(folder: Path) -> None:
    """Put a template that stands in chat_template.json alone where tokenizers look.

    Checkpoints that were saved with a processor have it there, and transformers' tokenizers read only the other two
    places.
    """
    path = folder / PROCESSOR_TEMPLATE
    if not path.exists() or (folder / "chat_template.jinja").exists():
        return
    place = folder / "tokenizer_config.json"
    settings = read_object(place) if place.exists() else {}
    found = read_object(path).get("chat_template")
    if found and not settings.get("chat_template"):
        write_json(place, {**settings, "chat_template": found})


def check_turns(render: Render, turn_end: str, has_system_turn: bool) -> None:
    """Raise StageError for a template by which no conversation could be learned."""
    fault = _fault(render, [SYSTEM, *TURNS], turn_end)
    if fault is not None and has_system_turn:
        said = "omits the system turn" if fault.reason == OMITS_SYSTEM else f"refuses a system turn ({fault.detail})"
        raise StageError(
            f"the chat template of sources.<base_model> {said}, and sft_tokens.system_prompt is set; expected a template that"
            " writes it: set sft_tokens.system_prompt to null, or base_model.chat_template to a Jinja file, chatml or plain"
        )
    if fault is not None and (fault := _fault(render, TURNS, turn_end)) is not None:
        raise StageError(f"the chat template cannot be learned from ({fault}); {FIX}") from fault
    _check_rounds(render)


def _fault(render: Render, messages: Messages, turn_end: str) -> ConversationError | None:
    try:
        split_turns(render, messages, turn_end)
    except ConversationError as error:
        return error
    return None


def _check_rounds(render: Render) -> None:
    """Raise StageError where two rounds are rendered as other ones.

    Every turn's words stand there once, in order, and the assistant's are marked otherwise than the user's. Whether a
    system turn is written was tried before; here it must not move the marks by one turn, as it does where a template
    counts turns in place of reading their roles.
    """
    marks: list[str] = []
    for opening in ([], [SYSTEM]):
        try:
            text = render([*opening, *ROUNDS], False)
        except TemplateRefuses:
            continue
        fault, between = _read_rounds(text)
        if fault is None and text.count(SYSTEM["content"]) > 1:
            fault = "writes the system turn more than once"
        if fault is None and between[0] == between[1]:
            fault = "renders the assistant's turn as the user's"
        if fault is None and marks and between[0] == marks[1]:
            fault = "takes the user's turns for the assistant's where a system turn stands in front"
        if fault is not None:
            raise StageError(
                f"the chat template {fault} ({text[:160]!r}); expected every turn's words once, in order, and other marks around"
                f" the assistant's than around the user's: {FIX}, where chatml and plain are templates that do so"
            )
        marks = marks or between


def _read_rounds(text: str) -> tuple[str | None, list[str]]:
    """The fault of a rendering of ROUNDS, or None.

    With it comes what the template writes between the turns.
    """
    between = []
    done = 0
    for speaker, words in zip(SPEAKERS, (turn["content"] for turn in ROUNDS), strict=True):
        count, place = text.count(words), text.find(words)
        if count != 1:
            return f"{'writes' if count else 'omits'} {speaker}{' more than once' if count else ''}", []
        if place < done:
            return f"writes {speaker} before an earlier turn", []
        between.append(text[done:place])
        done = place + len(words)
    return None, between[1:]


def find_turn_end(render: Render, added: Sequence[str]) -> str:
    """The control token that follows the assistant's message in the chat template."""
    try:
        text = render(TURNS, False)
    except TemplateRefuses as error:
        try:
            # some templates demand a system turn
            text = render([SYSTEM, *TURNS], False)
        except TemplateRefuses:
            raise StageError(
                f"the chat template refuses a question and its answer: {error}; expected one that renders them: {FIX}"
            ) from error
    if ANSWER not in text:
        raise StageError(f"the chat template omits the assistant's message ({text[-60:]!r}); {FIX}")
    rest = text[text.rindex(ANSWER) + len(ANSWER) :].lstrip()
    candidates = [token for token in added if rest.startswith(token)]
    if not candidates:
        raise StageError(
            f"the chat template ends the assistant's turn with {rest[:40]!r}; expected a control token, without which"
            f" an answer has no end to learn: {FIX}"
        )
    return max(candidates, key=len)
