"""Plain chat templates for base models without a suitable one.

In: a name, and the tokens of the tokenizer. Out: the text of a template that only grows, takes a system turn and
reads no clock. `chatml` needs a tokenizer with its two control tokens. `plain` works with any tokenizer, as a turn of
the assistant ends with the token that ends a text. Where the tokenizer puts a token before a text, a conversation
begins with it, as the texts of pretraining did.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from domainlm.contract import StageError

CHATML_TOKENS = ("<|im_start|>", "<|im_end|>")
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
PLAIN = (
    "{% for message in messages %}{{ '### ' + message['role'] | capitalize + '\\n' + message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ END }}{% endif %}{{ '\\n\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '### Assistant\\n' }}{% endif %}"
)
TEMPLATES = {"chatml": CHATML, "plain": PLAIN}


def plain_template(name: str, start: Sequence[str], end_of_text: str, has_token: Callable[[str], bool]) -> str:
    """The template of this name, for a tokenizer.

    start: tokens that the tokenizer puts before a text.
    """
    lacking = [token for token in CHATML_TOKENS if not has_token(token)]
    if name == "chatml" and lacking:
        raise StageError(
            f"base_model.chat_template is chatml, and the tokenizer of sources.<base_model> has no {lacking[0]}; expected its"
            " two control tokens, without which an answer has no end to learn: set base_model.chat_template to plain"
        )
    opened = "".join(f"{{{{ {_quoted(token)} }}}}" for token in start)
    return opened + TEMPLATES[name].replace("END", _quoted(end_of_text))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{escaped}'"
