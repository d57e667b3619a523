"""The text of a domain's file, as `domainlm new` writes it.

In: the sources, the names and roles of inherited sources, the survey of the folder. Out: about ten lines of YAML.
Property kept: every value reads back as the text that it was written for, and nothing in the file controls a terminal
that shows it. The file is written as lines and not dumped from a mapping, because a person edits it next and needs
comments that explain the lines.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, get_args

from domainlm.config.domain import DomainConfig
from domainlm.config.resolve import DEFAULT_FILE, merge_sources
from domainlm.config.sources import MODEL_ROLES
from domainlm.config.yaml_text import plain_value
from domainlm.scaffold.findings import Survey
from domainlm.wording import STEERING, bytes_in_words

# from this share on, the folder counts as being in one language: below it, a document's own language is used
MAIN_LANGUAGE_SHARE = 0.9
# system prompts for languages other than that of the default prompt
SYSTEM_PROMPTS = {"zh": "你是一名严谨的助手。请简洁、准确地回答。"}
# a shard is one job of at most this many bytes, which take minutes to read and clean
SHARD_BYTES = 50_000_000
MAX_SHARDS = 64
# the number of formats that the file's comment names
MAX_FORMATS = 6
_PLAIN_MARKS = "._/-"


def free_name(wanted: str, inherited: Mapping[str, Any]) -> str:
    """A source's name that no inherited source has.

    A source under an inherited name would be merged into that source.
    """
    numbered = (f"{wanted}_{number}" for number in itertools.count(2))
    return next(name for name in itertools.chain([wanted], numbered) if name not in inherited)


def left_out_of(sources: Mapping[str, Mapping[str, str]], inherited: Mapping[str, Any]) -> dict[str, str]:
    """Inherited sources that the domain's file removes: name -> role.

    They are those that the new ones do not replace and that are no model.
    """
    kept = merge_sources(inherited, sources)
    roles = {name: str(source.get("role")) for name, source in kept.items() if isinstance(source, Mapping)}
    return {name: role for name, role in roles.items() if name not in sources and role not in MODEL_ROLES}


def yaml_scalar(text: str) -> str:
    """A text as YAML writes it.

    It is plain where that reads back as the same text, else in double quotes; characters that would control a terminal
    are escaped.
    """
    is_plain = text[:1].isalnum() or text[:1] in (".", "/")
    if is_plain and all(each.isalnum() or each in _PLAIN_MARKS for each in text) and plain_value(text) == text:
        return text
    return f'"{"".join(map(_quoted, text))}"'


def _quoted(character: str) -> str:
    if character in ('"', "\\"):
        return f"\\{character}"
    is_shown = character.isprintable() and not STEERING.match(character)
    return character if is_shown else "\\U%08x" % ord(character)  # noqa: UP031 - in an f-string Python 3.11 takes no backslash


def domain_text(
    sources: Mapping[str, Mapping[str, str]], left_out: Mapping[str, str], sections: Mapping[str, str], about: str
) -> str:
    """The text of the domain's file.

    left_out: inherited sources that are excluded, with their roles. sections: further lines by their keys.
    """
    lines = ["# yaml-language-server: $schema=../schema.json"]
    lines += [f"# {about}"] if about else []
    lines += [sections["language"]] if "language" in sections else []
    lines.append("sources:")
    for number, (name, source) in enumerate(sources.items()):
        if number == 0:
            lines.append(f"  {name}:")
            lines += [f"    {key}: {yaml_scalar(value)}{_hint(key, value)}" for key, value in source.items()]
        else:
            lines.append(f"  {name}: {{{', '.join(f'{key}: {yaml_scalar(value)}' for key, value in source.items())}}}")
    for number, (name, role) in enumerate(left_out.items()):
        lines.append(f"  {name}: null  # excluded: {role} text{f' of {DEFAULT_FILE}' if number == 0 else ''}")
    if "replay" in left_out.values():
        lines.append("corpus_split: {replay_share: 0.0}  # as there is no replay text")
    lines += [line for key, line in sections.items() if key != "language"]
    return "\n".join(lines) + "\n"


def _hint(key: str, value: str) -> str:
    is_unstated = (key, value) == ("licence", "unstated")
    return "  # state it: every document carries it to the report" if is_unstated else ""


def sections_of(found: Survey, config: DomainConfig) -> dict[str, str]:
    """Further lines, for the folder's languages and its size."""
    lines: dict[str, str] = {}
    main = main_language(found)
    if main in get_args(DomainConfig.model_fields["language"].annotation) and main != config.language:
        lines["language"] = f"language: {main}  # main language of the corpus"
        if main in SYSTEM_PROMPTS and config.sft_tokens.system_prompt is not None:
            lines["sft_tokens"] = f'sft_tokens: {{system_prompt: "{SYSTEM_PROMPTS[main]}"}}'
    shards = min(MAX_SHARDS, -(-found.size_bytes // SHARD_BYTES))
    if shards > config.raw_corpus.shards:
        lines["raw_corpus"] = (
            f"raw_corpus: {{shards: {shards}}}  # number of parallel jobs; a changed file repeats one of them"
        )
    return lines


def main_language(found: Survey) -> str | None:
    """The language of nearly all files, or None."""
    return next((name for name, share in found.language_shares().items() if share >= MAIN_LANGUAGE_SHARE), None)


def about(found: Survey) -> str:
    """The content of the folder in one line."""
    formats = [f"{each.files} {each.name}" for each in found.formats]
    shown = ", ".join([*formats[:MAX_FORMATS], *(["..."] if len(formats) > MAX_FORMATS else [])])
    return f"{files_in_words(found)}: {shown}; the rest is as in {DEFAULT_FILE}"


def files_in_words(found: Survey) -> str:
    """'1 file, 812 bytes'."""
    return f"{found.files} file{'s' if found.files != 1 else ''}, {bytes_in_words(found.size_bytes)}"
