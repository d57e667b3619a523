"""The one resolver: defaults < config/config.yaml < domain file (which may extend another) < `--config`.

In: the project folder, a domain's name, overrides. Out: one `DomainConfig`. A domain file's sources replace the
inherited sources of the same role, because a domain has its own corpus but usually keeps the base model; a source
under an inherited name is merged into it, and `null` removes it. Errors name the file, the key and the nearest valid
key, before any work starts.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from domainlm.config.domain import DomainConfig
from domainlm.wording import printable

DEFAULT_FILE = "config/config.yaml"
OVERRIDES = "--config"


class ConfigurationError(Exception):
    """The configuration is wrong: the message names file, key, value, and the fix.

    Snakemake prints it too, so names in it are made printable here. Its lines are ours.
    """

    def __str__(self) -> str:
        return "\n".join(map(printable, super().__str__().split("\n")))


class _Loader(yaml.SafeLoader):
    """Safe YAML in which 1e-3 is a number (YAML 1.1 reads it as text) and a key may stand once."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def _mapping_without_repeats(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
    for key in keys:
        if keys.count(key) > 1:
            raise ConfigurationError(
                f"{node.start_mark.name}, line {node.start_mark.line + 1}: key {key!r} stands twice"
            )
    loader.flatten_mapping(node)
    return {loader.construct_object(k, deep=True): loader.construct_object(v, deep=True) for k, v in node.value}


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping_without_repeats)


@dataclass(frozen=True)
class Layer:
    """One source of values: its name in messages, and its mapping."""

    name: str
    values: Mapping[str, Any]


def load_yaml(text: str, name: str) -> Any:
    stream = _Loader(text)
    stream.name = name
    try:
        return stream.get_single_data()
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{name}: not valid YAML: {error}") from error
    finally:
        stream.dispose()


def read_layer(project: Path, name: str) -> Layer:
    path = project / name
    try:
        values = load_yaml(path.read_text(encoding="utf-8"), name)
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{name}: not UTF-8 ({error}); save it as UTF-8") from error
    except OSError as error:
        raise ConfigurationError(f"{name}: cannot be read ({error.strerror}); expected a file in {project}") from error
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise ConfigurationError(f"{name}: expected a mapping of sections, found {type(values).__name__}")
    return Layer(name, values)


def parse_overrides(overrides: Mapping[str, Any]) -> Layer:
    """Values of `--config KEY=VALUE`; Snakemake leaves 1e-3 as text, so text is read once more as YAML."""

    def parsed(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: parsed(item) for key, item in value.items()}
        return load_yaml(value, OVERRIDES) if isinstance(value, str) else value

    return Layer(OVERRIDES, {key: parsed(value) for key, value in overrides.items()})


def default_domain(project: Path) -> str:
    """The domain that a run without `--config domain=` builds. Raises ConfigurationError."""
    return str(read_layer(project, DEFAULT_FILE).values.get("domain", "medical"))


def layers_of(project: Path, overrides: Mapping[str, Any]) -> list[Layer]:
    """The layers of a run, weakest first."""
    base = read_layer(project, DEFAULT_FILE)
    last = parse_overrides(overrides)
    default = base.values.get("domain", "medical")
    name = last.values.get("domain", default)
    chain: list[Layer] = []
    seen: list[str] = []
    while name is not None and name != default:
        if name in seen:
            raise ConfigurationError(f"config/domains: `extends` runs in a circle: {' -> '.join([*seen, str(name)])}")
        seen.append(str(name))
        file = f"config/domains/{name}.yaml"
        if not (project / file).is_file():
            known = sorted([str(default), *(p.stem for p in (project / "config/domains").glob("*.yaml"))])
            raise ConfigurationError(f"no domain {name!r}: {file} does not exist; {_nearest(str(name), known)}")
        layer = read_layer(project, file)
        chain.insert(0, Layer(file, {**layer.values, "domain": layer.values.get("domain", name)}))
        name = layer.values.get("extends")
    return [base, *chain, last]


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"valid are {', '.join(sorted(known))}"


def _merge(below: Any, above: Any) -> Any:
    if isinstance(below, Mapping) and isinstance(above, Mapping):
        return {**below, **{key: _merge(below.get(key), value) for key, value in above.items()}}
    return above


def merge_sources(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Sources of two layers: new ones replace inherited ones of their role, named ones are merged, null removes."""
    replaced = {s.get("role") for name, s in above.items() if isinstance(s, Mapping) and name not in below}
    kept = {
        name: source
        for name, source in below.items()
        if name in above or not (isinstance(source, Mapping) and source.get("role") in replaced)
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
            raise ConfigurationError(f"{layer.name}: sources: expected a mapping of names, found {sources!r}")
        values = merged
    return values


def _origin(layers: list[Layer], location: tuple[Any, ...]) -> str:
    """Name of the strongest layer that sets a key or, where none does, as much of the way to it as any."""
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
        return f"{file}: unknown key {key!r}: {_nearest(str(location[-1]), _valid_keys(location[:-1]))}"
    return f"{file}: {key}: {error['msg'].removeprefix('Value error, ')} (found {error['input']!r})"


def validate(layers: list[Layer]) -> DomainConfig:
    values = merge_layers(layers)
    # YAML has one kind of sequence and of number; strict models then refuse text for numbers
    try:
        config = DomainConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigurationError("\n".join(_describe(item, layers) for item in error.errors())) from error
    check_roles(config)
    check_policy(config)
    return config


def check_roles(config: DomainConfig) -> None:
    """Raises ConfigurationError where the sources cannot make a build."""
    roles = [source.role for source in config.sources.values()]
    where = f"domain {config.domain}: sources"
    if roles.count("base_model") != 1:
        raise ConfigurationError(
            f"{where}: expected exactly one with role base_model, found {roles.count('base_model')}"
        )
    if "corpus" not in roles:
        raise ConfigurationError(f"{where}: none has role corpus; add a folder: NAME: {{role: corpus, local: FOLDER}}")
    if "seed" in roles and "replay" not in roles:
        raise ConfigurationError(
            f"{where}: role seed needs general text to be told from, but none has role replay; add a folder: "
            "NAME: {role: replay, local: FOLDER}"
        )
    if config.corpus_split.replay_share > 0 and "replay" not in roles:
        raise ConfigurationError(
            f"{where}: corpus_split.replay_share is {config.corpus_split.replay_share} but none has role replay; "
            "add one or set replay_share: 0.0"
        )
    split = config.corpus_split
    if split.validation_share + split.test_share >= 1:
        raise ConfigurationError(
            f"corpus_split: validation_share {split.validation_share} + test_share {split.test_share} leave nothing to train on"
        )


def check_policy(config: DomainConfig) -> None:
    """Raises ConfigurationError where a rule names a source that the domain does not have: it would match nothing."""
    for number, rule in enumerate(config.policy):
        for pattern in rule.where.source or ():
            if not any(fnmatchcase(name, pattern) for name in config.sources):
                raise ConfigurationError(
                    f"domain {config.domain}: policy.{number}.where.source: {pattern!r} matches no source; "
                    f"{_nearest(pattern, list(config.sources))}"
                )


def _words_of(project: Path, key: str, file: str) -> list[str]:
    try:
        lines = (project / file).read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise ConfigurationError(f"{key}.file: cannot read {file} ({error.strerror}); expected a text file") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{key}.file: {file} is not UTF-8 ({error}); save it as UTF-8") from error
    # C# is a word: a comment begins a line, or follows a space
    words = [word for line in lines if (word := re.split(r"(?:^|\s)#", line)[0].strip())]
    if not words:
        raise ConfigurationError(f"{key}.file: {file} holds no word; expected one word or phrase a line")
    return words


def with_word_lists(project: Path, config: DomainConfig) -> DomainConfig:
    """The configuration with the words of each list in the place of its file's name: they are what counts, not where they stood."""
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
    return with_word_lists(project, validate(layers_of(project, overrides)))
