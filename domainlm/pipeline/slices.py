"""The slice of the configuration that a stage depends on.

In: a stage, a resolved configuration. Out: the values of its slice (`domainlm.config.domain.SLICES`) as they enter the
action key, with defaults written out; and for each value the knob that it comes from. `stamps.py` adds the rows of
sources.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from domainlm.config.domain import SLICES, DomainConfig
from domainlm.config.section import Slice
from domainlm.pipeline.chain import chain, chat_form, start_of_sft

SECTION = "section"
# functions that compute values which are no knobs themselves
DERIVED: Mapping[str, Callable[[DomainConfig], Any]] = {
    "models": lambda config: [asdict(model) for model in chain(config)],
    "chat": chat_form,
    "is_chat_form": lambda config: chat_form(config) == "base_model",
    "start": lambda config: asdict(start_of_sft(config)),
    # which words it has does not matter to a base model
    "has_system_turn": lambda config: config.sft_tokens.system_prompt is not None,
    "has_corpus": lambda config: any(source.role == "corpus" for source in config.sources.values()),
}


def slice_type(artifact: str, is_shard: bool = False) -> type[Slice]:
    """The type of an artifact's slice, or of its shards'."""
    shard = f"{artifact}_shard"
    return SLICES[shard] if is_shard and shard in SLICES else SLICES[artifact]


def parse_slice(artifact: str, values: Mapping[str, Any], is_shard: bool = False) -> Any:
    """The values of an artifact's slice as its stage receives them.

    Raises pydantic's ValidationError.
    """
    return slice_type(artifact, is_shard).model_validate(values)


def _origin(field: FieldInfo) -> Mapping[str, Any]:
    extra = field.json_schema_extra
    return extra if isinstance(extra, Mapping) else {}


def config_slice(artifact: str, config: DomainConfig, is_shard: bool = False) -> dict[str, Any]:
    """The values of the configuration that an artifact's result depends on.

    Defaults are written out.
    """
    origins = {name: _origin(field) for name, field in slice_type(artifact, is_shard).model_fields.items()}
    paths = {name: artifact if name == SECTION else origin.get("knob", "") for name, origin in origins.items()}
    # no other section is written out: a domain may list thousands of sources
    values = config.model_dump(mode="json", include={path.partition(".")[0] for path in paths.values() if path})
    found: dict[str, Any] = {}
    for name, origin in origins.items():
        if paths[name]:
            found[name] = value_at(values, paths[name])
        elif "derived_from" in origin:
            found[name] = DERIVED[name](config)
    return found


def value_at(values: Any, path: str) -> Any:
    """The value at a dotted path."""
    for part in path.split("."):
        values = values[part]
    return values


def _origins(artifact: str) -> dict[str, Mapping[str, Any]]:
    """Name in an artifact's or its shards' slice -> the value's origin."""
    types = (slice_type(artifact), slice_type(artifact, is_shard=True))
    return {name: _origin(field) for each in types for name, field in each.model_fields.items()}


def listed_names(artifact: str) -> frozenset[str]:
    """Names in an artifact's slices that hold rows of sources."""
    return frozenset(name for name, origin in _origins(artifact).items() if origin.get("is_listed"))


def knob_paths(artifact: str) -> dict[str, str]:
    """Name in an artifact's slices -> dotted path of its knob.

    The value is that of the knob, or is derived from it.
    """
    paths = {
        name: artifact if name == SECTION else origin.get("knob", origin.get("derived_from"))
        for name, origin in _origins(artifact).items()
    }
    return {name: path for name, path in paths.items() if path is not None}


def derived_names(artifact: str) -> frozenset[str]:
    """Names in an artifact's slices whose values are computed from a knob."""
    return frozenset(name for name, origin in _origins(artifact).items() if "derived_from" in origin)


def files_of_knobs(artifact: str, config: DomainConfig) -> list[str]:
    """Files that an artifact's own section names.

    They are fields of format `path`; the files' content is in the slice.
    """
    return sorted(_named_files(getattr(config, artifact)))


def _named_files(value: Any) -> Iterator[str]:
    if isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            found = getattr(value, name)
            if _origin(field).get("format") == "path" and found is not None:
                # a name may stand for something built in
                yield from () if found in _origin(field).get("names", ()) else (found,)
            else:
                yield from _named_files(found)
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _named_files(each)
