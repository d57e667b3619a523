"""Rendering by a base model's chat template, bounded and reproducible.

A template is a stranger's program. In: a tokenizer of transformers, a date. Out: `render(messages, has_prompt)`, the
one way in which any module renders a conversation. Properties kept: the clock that a template reads (`strftime_now`:
Llama 3.2, Mistral Small 3, SmolLM3, gpt-oss) shows a date that is in the key; random draws are refused; and a
template that never ends, or writes without end, is named. transformers compiles and renders, in its sandbox, since a
second environment of ours would drift from that of the model's users; only the parts that differ from day to day are
replaced in it.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from domainlm.contract import StageError
from domainlm.tokens.bounded import Bounded, CallFailed, OverLimit

Messages = Sequence[Mapping[str, str]]
Render = Callable[[Messages, bool], str]

# what Llama 3.1 writes where it is told no date, and Llama 3.2 where there is no clock
DEFAULT_DATE = "2024-07-26"
# a conversation takes a tenth of a millisecond
MAX_SECONDS = 10.0
MAX_MEMORY_MB = 500
# beyond what the messages say: tools and system turns of known templates are below 20,000
MAX_OWN_CHARS = 1_000_000
_ADDRESS = re.compile(r"\bat 0x[0-9a-f]{6,}", re.ASCII | re.IGNORECASE)
FIX = "set base_model.chat_template, or give sources.<base_model> a tokenizer with another chat_template"


class TemplateRefuses(ValueError):
    """The template refuses this conversation; the message is its error."""


class _Unreproducible(Exception):
    """The template uses something that differs between runs."""


class _Clock(Exception):
    """The template asks for a date, and there is none.

    The message is the template's call.
    """


@contextmanager
def template_renderer(tokenizer: Any, date: str | None, has_reasoning: bool = True) -> Iterator[Render]:
    """`render(messages, has_prompt)` by a Hugging Face tokenizer's template.

    has_prompt opens the assistant's turn. date: the date of the template's clock, as 2024-07-26; None refuses a
    template that reads it. has_reasoning: False asks a template that knows `enable_thinking` for an answer without
    reasoning; True says nothing of it. `render` raises TemplateRefuses for a conversation, and StageError for a template that
    nothing can be built with.
    """
    template = chosen_template(tokenizer)
    variables: dict[str, Any] = dict(tokenizer.special_tokens_map)
    if not has_reasoning:
        variables["enable_thinking"] = False

    def answer(messages: list[dict[str, str]], has_prompt: bool) -> tuple[str, str]:
        return _rendered(template, variables, date, messages, has_prompt)

    with Bounded(answer, MAX_SECONDS, MAX_MEMORY_MB) as call:

        def render(messages: Messages, has_prompt: bool) -> str:
            plain = [dict(message) for message in messages]
            try:
                verdict, text = call(plain, has_prompt)
            except (OverLimit, CallFailed) as error:
                raise StageError(f"the chat template {error} on a conversation of {len(plain)} turns; {FIX}") from error
            said = [content for message in plain for content in message.values()]
            if _ADDRESS.search(text) and not any(_ADDRESS.search(content) for content in said):
                verdict, text = "unreproducible", "writes where an object lies in memory"
            if verdict == "unreproducible":
                raise StageError(f"the chat template {text}, which differs from one run to the next; {FIX}")
            if verdict == "clock":
                raise StageError(
                    f"the chat template asks for the date ({text}), and sft_tokens.template_date is null; expected a fixed"
                    f' date, as one key has one output: set it, for instance to "{DEFAULT_DATE}", which Llama 3 falls back'
                    " to"
                )
            if verdict == "refused":
                raise TemplateRefuses(text)
            if len(text) > MAX_OWN_CHARS + 4 * sum(map(len, said)):
                raise StageError(
                    f"the chat template writes {len(text):,} characters for a conversation of {len(plain)} turns; expected"
                    f" at most {MAX_OWN_CHARS:,} besides the messages: {FIX}"
                )
            return text

        yield render


def chosen_template(tokenizer: Any) -> str:
    """The template that renders a conversation without tools.

    Raises StageError.
    """
    found = tokenizer.chat_template
    if isinstance(found, Mapping):
        found = found.get("default")
        if found is None:
            raise StageError(
                f"the tokenizer has chat templates named {', '.join(sorted(map(str, tokenizer.chat_template)))}; expected"
                f" one named default among them: {FIX}"
            )
    if not isinstance(found, str):
        raise StageError(
            f"the tokenizer's chat_template is {type(found).__name__}; expected text, or a list of named templates: {FIX}"
        )
    return found


def _rendered(
    template: str,
    variables: Mapping[str, Any],
    date: str | None,
    messages: list[dict[str, str]],
    has_prompt: bool,
) -> tuple[str, str]:
    """Verdict and text of one conversation; runs in the child process.

    The verdict is text, refused, clock, or unreproducible.
    """
    from transformers.utils.chat_template_utils import render_jinja_template

    try:
        _make_reproducible(template, date)
        rendered: Any = render_jinja_template(
            conversations=[messages], chat_template=template, add_generation_prompt=has_prompt, **variables
        )
        text = str(rendered[0][0])
        # half a character, which no tokenizer takes, is refused as the template's own errors are
        text.encode("utf-8")
        return "text", text
    except _Clock as error:
        return "clock", str(error)
    except _Unreproducible as error:
        return "unreproducible", str(error)
    except MemoryError:
        raise
    except Exception as error:  # jinja errors, and whatever a template raises through raise_exception
        return "refused", str(error) or type(error).__name__


def _make_reproducible(template: str, date: str | None) -> None:
    """Put a fixed clock, and refusals of chance, into a template's environment.

    transformers keeps this environment.
    """
    from jinja2.sandbox import SandboxedEnvironment
    from transformers.utils.chat_template_utils import _compile_jinja_template

    # the one operator that makes a set (of two dictionaries' keys), whose order differs; looked at when a template is compiled
    SandboxedEnvironment.intercepted_binops = frozenset("-")
    # what strftime may ask of the process: %s the time zone, %b the language
    os.putenv("TZ", "UTC")
    time.tzset()

    def strftime_now(form: str) -> str:
        if date is None:
            raise _Clock(f"strftime_now({form!r})"[:80])
        # as a datetime at midnight, without a time zone, writes these
        form = re.sub(r"%[%fzZ]", lambda found: {"%f": "000000", "%%": "%%"}.get(found[0], ""), form)
        return time.strftime(form, time.strptime(date, "%Y-%m-%d"))

    environment: Any = _compile_jinja_template(template).environment
    environment.globals["strftime_now"] = strftime_now
    environment.globals["lipsum"] = _refusal("draws text by chance (lipsum)")
    environment.filters["random"] = _refusal("draws by chance (the filter random)")
    environment.binop_table["-"] = _difference


def _difference(left: Any, right: Any) -> Any:
    found = left - right
    if isinstance(found, set | frozenset):
        raise _Unreproducible("takes keys from keys, which leaves them in any order (a set)")
    return found


def _refusal(words: str) -> Callable[..., Any]:
    def refuse(*arguments: Any, **named: Any) -> Any:
        raise _Unreproducible(words)

    return refuse
