"""A chat template tried on one conversation, before any training.

In: a rendering, or the template that a domain gives. Out: the token that ends a turn; or StageError for a template
that cannot be learned from, which would otherwise be found after pretraining.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from domainlm.contract import StageError
from domainlm.models.checkpoint_settings import read_object
from domainlm.text.json_files import write_json
from domainlm.tokens.chat import ConversationError, split_turns
from domainlm.tokens.plain_templates import TEMPLATES, plain_template
from domainlm.tokens.template import FIX, Render, TemplateRefuses

SYSTEM = {"role": "system", "content": "A system turn."}
ANSWER = "The answer."
TURNS = [{"role": "user", "content": "A question."}, {"role": "assistant", "content": ANSWER}]


def given_template(given: str, start: Sequence[str], end_of_text: str, has_token: Callable[[str], bool]) -> str:
    """The template of base_model.chat_template: a plain one's name, or the text."""
    return plain_template(given, start, end_of_text, has_token) if given in TEMPLATES else given


def write_template(folder: Path, text: str) -> None:
    """Put a template in place of the one that the tokenizer had."""
    path = folder / "tokenizer_config.json"
    settings = read_object(path) if path.exists() else {}
    if "chat_template" in settings:
        write_json(path, {key: value for key, value in settings.items() if key != "chat_template"})
    (folder / "chat_template.json").unlink(missing_ok=True)
    (folder / "chat_template.jinja").write_text(text, encoding="utf-8", newline="\n")


def check_turns(render: Render, turn_end: str, has_system_turn: bool) -> None:
    """Raise StageError for a template by which no conversation could be learned."""
    try:
        learned = split_turns(render, [SYSTEM, *TURNS], turn_end)
        says_system = any(SYSTEM["content"] in text for text, _ in learned)
        refusal = None
    except ConversationError as error:
        says_system, refusal = False, error
    if has_system_turn and not says_system:
        said = "omits the system turn" if refusal is None else f"refuses a system turn ({refusal.detail})"
        raise StageError(
            f"the chat template of sources.<base_model> {said}, and sft_tokens.system_prompt is set; expected a template that"
            " writes it: set sft_tokens.system_prompt to null, or base_model.chat_template to a Jinja file, chatml or plain"
        )
    if refusal is None:
        return
    try:
        split_turns(render, TURNS, turn_end)
    except ConversationError as error:
        raise StageError(f"the chat template cannot be learned from ({error}); {FIX}") from error


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
