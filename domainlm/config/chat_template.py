"""The chat template that a domain names, as text.

In: a configuration. Out: the same, with the texts of `base_model.chat_template` and `instruct_model.chat_template`; names of
plain templates stay. So the key of such an artifact depends on what the template says and not on where it lies.
"""

from __future__ import annotations

from pathlib import Path

from domainlm.config.bounded_file import read_bounded
from domainlm.config.domain import DomainConfig
from domainlm.config.errors import ConfigurationError
from domainlm.config.sources import MODEL_ROLES, PLAIN_TEMPLATES

# known templates are below 20,000
MAX_TEMPLATE_BYTES = 1_000_000


def with_chat_template(project: Path, config: DomainConfig) -> DomainConfig:
    """The configuration with the text of every template. Raises ConfigurationError."""
    texts = {role: _text(project, config, role) for role in MODEL_ROLES}
    sections = {role: getattr(config, role).model_copy(update={"chat_template": text}) for role, text in texts.items()}
    return config.model_copy(update=sections)


def _text(project: Path, config: DomainConfig, role: str) -> str | None:
    """The template of a model's section, if any, read from its file."""
    name: str | None = getattr(config, role).chat_template
    if name is None or name in PLAIN_TEMPLATES:
        return name
    key = f"domain {config.domain}: {role}.chat_template"
    expected = f"expected a file with a Jinja template, or one of {', '.join(PLAIN_TEMPLATES)}"
    try:
        text = read_bounded(project / name, MAX_TEMPLATE_BYTES).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigurationError(f"{key}: cannot read {name} ({reason}); {expected}") from error
    if not text.strip():
        raise ConfigurationError(f"{key}: {name} is empty; {expected}")
    return text
