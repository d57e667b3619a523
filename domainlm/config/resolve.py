"""The resolver: defaults < config/config.yaml < domain file < `--config`.

In: the project folder, a domain's name, overrides. A domain file may extend another one. Out: one `DomainConfig`. A
domain file's sources replace the inherited sources of the same role, because a domain has its own corpus but usually
keeps the base model; a source under an inherited name is merged into it, and `null` removes it. Errors name the file,
the key and the nearest valid key, before any work starts.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from domainlm.config.bounded_file import read_bounded
from domainlm.config.chat_template import with_chat_template
from domainlm.config.checks import check_whole, nearest
from domainlm.config.default_domain import DEFAULT_DOMAIN
from domainlm.config.domain import DomainConfig
from domainlm.config.errors import ConfigurationError
from domainlm.config.secret_sources import quotable, secrets_of_sources
from domainlm.config.section import MAX_NAME_CHARS, NAME_PATTERN
from domainlm.config.yaml_text import MAX_CHARS, InvalidYaml, parsed_yaml, plain_value

DEFAULT_FILE = "config/config.yaml"
OVERRIDES = "--config"
# UTF-8 has up to four bytes a character
MAX_LAYER_BYTES = 4 * MAX_CHARS
# the size of a word list or a label table; a million rows take about half of it
MAX_LIST_BYTES = 100_000_000
# errors of a message, and characters of each: the first ones are enough, and a value may be a book
MAX_ERRORS = 20
MAX_SAID_CHARS = 500
# YAML 1.1 read these as true and false
_NO_BOOLEANS = ("yes", "Yes", "YES", "no", "No", "NO", "on", "On", "ON", "off", "Off", "OFF")
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 100
_SHORT.maxlevel = 3


def shown(value: Any) -> str:
    """A value as a message quotes it: Python's form, shortened if long."""
    return _SHORT.repr(value)


@dataclass(frozen=True)
class Layer:
    """One source of values: its name in messages, and its mapping."""

    name: str
    values: Mapping[str, Any]


def load_yaml(text: str, name: str) -> Any:
    """The value of a text in YAML 1.2.

    name: of the file, for the message. Raises ConfigurationError.
    """
    try:
        return parsed_yaml(text)
    except InvalidYaml as error:
        raise ConfigurationError(f"{name}, {error}") from error


def read_layer(project: Path, name: str) -> Layer:
    try:
        values = load_yaml(read_bounded(project / name, MAX_LAYER_BYTES).decode("utf-8-sig"), name)
    except OSError as error:
        raise ConfigurationError(f"{name}: cannot be read: {error.strerror}; expected a file in {project}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{name}: not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8"
        ) from error
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise ConfigurationError(f"{name}: expected a mapping of sections, found {type(values).__name__}")
    return Layer(name, values)


def parse_overrides(overrides: Mapping[str, Any]) -> Layer:
    """Values of `--config KEY=VALUE`.

    Snakemake has read the YAML, and leaves 1e-3 as text, so a plain scalar is read once more.
    """

    def parsed(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: parsed(item) for key, item in value.items()}
        if isinstance(value, list):
            return [parsed(item) for item in value]
        try:
            return plain_value(value) if isinstance(value, str) else value
        except InvalidYaml as error:
            raise ConfigurationError(f"{OVERRIDES}: {error.problem}") from error

    return Layer(OVERRIDES, {key: parsed(value) for key, value in overrides.items()})


def default_domain(project: Path) -> str:
    """The domain that a run without `--config domain=` builds.

    Raises ConfigurationError.
    """
    return checked_domain(read_layer(project, DEFAULT_FILE).values.get("domain", DEFAULT_DOMAIN), DEFAULT_FILE)


def checked_domain(name: Any, where: str) -> str:
    """The name of a domain, used for folders and files.

    where: the place in the configuration that gives it. Raises ConfigurationError.
    """
    if not isinstance(name, str) or re.fullmatch(NAME_PATTERN, name) is None or len(name) > MAX_NAME_CHARS:
        raise ConfigurationError(
            f"{where}: {shown(name)} is no name of a domain; expected at most {MAX_NAME_CHARS} small letters, digits and _, "
            "a letter first"
        )
    return name


def layers_of(project: Path, overrides: Mapping[str, Any]) -> list[Layer]:
    """The layers of a run, weakest first."""
    base = read_layer(project, DEFAULT_FILE)
    last = parse_overrides(overrides)
    default = checked_domain(base.values.get("domain", DEFAULT_DOMAIN), f"{DEFAULT_FILE}: domain")
    name = checked_domain(last.values.get("domain", default), f"{OVERRIDES} domain")
    chain: list[Layer] = []
    seen: list[str] = []
    while name != default:
        if name in seen:
            raise ConfigurationError(f"config/domains: `extends` runs in a circle: {' -> '.join([*seen, name])}")
        seen.append(name)
        file = f"config/domains/{name}.yaml"
        if not (project / file).is_file():
            known = sorted([default, *(p.stem for p in (project / "config/domains").glob("*.yaml"))])
            raise ConfigurationError(f"no domain {name!r}: {file} does not exist; {nearest(name, known)}")
        layer = read_layer(project, file)
        chain.insert(0, Layer(file, {**layer.values, "domain": layer.values.get("domain", name)}))
        extended = layer.values.get("extends")
        name = default if extended is None else checked_domain(extended, f"{file}: extends")
    return [base, *chain, last]


def _merge(below: Any, above: Any) -> Any:
    if isinstance(below, Mapping) and isinstance(above, Mapping):
        return {**below, **{key: _merge(below.get(key), value) for key, value in above.items()}}
    return above


def _is_in(role: Any, roles: set[str]) -> bool:
    return isinstance(role, str) and role in roles


def merge_sources(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Sources of two layers.

    New ones replace inherited ones of their role, named ones are merged, and null removes.
    """
    # a role that is no text is an error, which the models word
    roles = (s.get("role") for name, s in above.items() if isinstance(s, Mapping) and name not in below)
    replaced = {role for role in roles if isinstance(role, str)}
    kept = {
        name: source
        for name, source in below.items()
        if name in above or not (isinstance(source, Mapping) and _is_in(source.get("role"), replaced))
    }
    merged = {**kept, **{name: _merge(kept.get(name), source) for name, source in above.items()}}
    return {name: source for name, source in merged.items() if source is not None}


def merge_layers(layers: list[Layer]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for layer in layers:
        above = dict(layer.values)
        sources = above.pop("sources", None)
        merged: dict[str, Any] = _merge(values, above)
        if isinstance(sources, Mapping):
            merged["sources"] = merge_sources(values.get("sources", {}), sources)
        elif sources is not None:
            raise ConfigurationError(f"{layer.name}: sources: expected a mapping of names, found {shown(sources)}")
        values = merged
    return values


def _origin(layers: list[Layer], location: tuple[Any, ...]) -> str:
    """Name of the strongest layer that sets a key.

    Where no layer sets it, the layer that sets the longest part of its path.
    """
    for length in range(len(location), 0, -1):
        for layer in reversed(layers):
            value: Any = layer.values
            for part in location[:length]:
                if not isinstance(value, Mapping) or part not in value:
                    break
                value = value[part]
            else:
                return layer.name
    return layers[0].name


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _valid_keys(location: tuple[Any, ...]) -> list[str]:
    model: type[BaseModel] = DomainConfig
    for part in location:
        field = model.model_fields.get(str(part))
        found = list(_models_in(field.annotation)) if field is not None else []
        if found:
            model = found[0]
    return list(model.model_fields)


def _describe(error: Any, layers: list[Layer]) -> str:
    location = tuple(part for part in error["loc"] if not (isinstance(part, str) and part.startswith("function-")))
    key = ".".join(str(part) for part in location) or "(top level)"
    file = _origin(layers, location)
    if error["type"] == "extra_forbidden":
        return f"{file}: unknown key {shown(key)}: {nearest(str(location[-1]), _valid_keys(location[:-1]))}"
    said = error["msg"].removeprefix("Value error, ")
    if error["type"].startswith("bool") and error["input"] in _NO_BOOLEANS:
        said += "; YAML 1.2 writes true or false"
    found = quotable(error["input"]) if location[:1] == ("sources",) else error["input"]
    return f"{file}: {key}: {said[:MAX_SAID_CHARS]} (found {shown(found)})"


def validate(layers: list[Layer]) -> DomainConfig:
    values = merge_layers(layers)
    if secret := secrets_of_sources(values, lambda location: _origin(layers, location)):
        raise ConfigurationError(secret)
    # YAML has one kind of sequence and of number; the models are strict, so they refuse text for numbers
    try:
        config = DomainConfig.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False)
        lines = [_describe(item, layers) for item in found[:MAX_ERRORS]]
        if len(found) > MAX_ERRORS:
            lines.append(f"and {len(found) - MAX_ERRORS} more errors")
        raise ConfigurationError("\n".join(lines)) from None
    check_whole(config)
    return config


def _words_of(project: Path, key: str, file: str) -> list[str]:
    try:
        lines = read_bounded(project / file, MAX_LIST_BYTES).decode("utf-8-sig").splitlines()
    except OSError as error:
        raise ConfigurationError(f"{key}.file: cannot read {file} ({error.strerror}); expected a text file") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{key}.file: {file} is not UTF-8 ({error}); save it as UTF-8") from error
    # "C#" is a word: a comment is at the beginning of a line or after whitespace
    words = [word for line in lines if (word := re.split(r"(?:^|\s)#", line)[0].strip())]
    if not words:
        raise ConfigurationError(f"{key}.file: {file} holds no word; expected one word or phrase a line")
    return words


def with_word_lists(project: Path, config: DomainConfig) -> DomainConfig:
    """The configuration with words in place of the files' names.

    The words of a list count, not the file that they stood in.
    """
    lists = {}
    for name, entry in config.clean_shards.word_lists.items():
        key = f"domain {config.domain}: clean_shards.word_lists.{name}"
        words = [*entry.words, *(_words_of(project, key, entry.file) if entry.file is not None else [])]
        if not words:
            raise ConfigurationError(f"{key}: neither words nor a file; add one")
        lists[name] = entry.model_copy(update={"file": None, "words": sorted(set(words))})
    if not lists:
        return config
    return config.model_copy(update={"clean_shards": config.clean_shards.model_copy(update={"word_lists": lists})})


def resolve(project: Path, overrides: Mapping[str, Any]) -> DomainConfig:
    """The configuration of one run. Raises ConfigurationError."""
    return with_chat_template(project, with_word_lists(project, validate(layers_of(project, overrides))))
