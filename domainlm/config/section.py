"""Sections of the configuration, slices of it, and their shared types."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_HEX_DIGITS = frozenset("0123456789abcdef")


def _sha256(digest: str) -> str:
    if len(digest) != 64 or not _HEX_DIGITS.issuperset(digest):
        raise ValueError(
            "expected a SHA-256, 64 hex digits in small letters; if you do not know it yet, write 64 zeros: the build stops and "
            "names the one it found"
        )
    return digest


Share = Annotated[float, Field(ge=0.0, le=1.0)]
Sha256 = Annotated[str, AfterValidator(_sha256), Field(json_schema_extra={"pattern": "^[0-9a-f]{64}$"})]
NAME_PATTERN = "^[a-z][a-z0-9_]*$"
# names of files and folders are made from it, and those end at 255 bytes
MAX_NAME_CHARS = 100
Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=MAX_NAME_CHARS)]


class Strict(BaseModel):
    """A section: immutable and strict.

    Unknown keys are refused, text is not silently coerced to a number, and a number is finite.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Slice(Strict):
    """The values that a stage's result depends on.

    They are in its action key, and its `run` is given nothing else. Each field states where its value comes from:
    `section` is the stage's own section, `own` names another knob by its path, `derived` a value computed from a knob,
    `listed` rows of sources.
    """


class Model(Strict):
    """One model of a domain's chain: its checkpoint and its adapter.

    Each is the name of an artifact; null: the checkpoint alone.
    """

    name: Literal["base", "instruct", "pt", "residual", "sft"]
    checkpoint: str
    adapter: str | None


def own(path: str, default: Any = ...) -> Any:
    """A knob of the configuration by its dotted path."""
    return Field(default, json_schema_extra={"knob": path})


def derived(path: str, default: Any = ...) -> Any:
    """A value that domainlm/pipeline/slices.py computes from the knob at a dotted path."""
    return Field(default, json_schema_extra={"derived_from": path})


def listed(default: Any = ...) -> Any:
    """Rows of sources, which domainlm/sources/ lists.

    The default is the value that a stage is given before they are fetched.
    """
    return Field(default, json_schema_extra={"is_listed": True})
