"""The chat template that a domain names, as text.

In: a configuration. Out: the same, with the text of `base_model.chat_template`; names of plain templates stay. So the
key of `base_model` depends on what the template says and not on where it lies.
"""

from __future__ import annotations

from pathlib import Path

from domainlm.config.bounded_file import read_bounded
from domainlm.config.domain import DomainConfig
from domainlm.config.errors import ConfigurationError
from domainlm.config.sources import PLAIN_TEMPLATES

# known templates are below 20,000
MAX_TEMPLATE_BYTES = 1_000_000


def with_chat_template(project: Path, config: DomainConfig) -> DomainConfig:
    """The configuration with a template's text. Raises ConfigurationError."""
    name = config.base_model.chat_template
    if name is None or name in PLAIN_TEMPLATES:
        return config
    key = f"domain {config.domain}: base_model.chat_template"
    expected = f"expected a file with a Jinja template, or one of {', '.join(PLAIN_TEMPLATES)}"
    try:
        text = read_bounded(project / name, MAX_TEMPLATE_BYTES).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigurationError(f"{key}: cannot read {name} ({reason}); {expected}") from error
    if not text.strip():
        raise ConfigurationError(f"{key}: {name} is empty; {expected}")
    return config.model_copy(update={"base_model": config.base_model.model_copy(update={"chat_template": text})})
