"""What every section of the configuration is, and the types that several of them share."""

from __future__ import annotations

from typing import Annotated

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
# files and folders are called by it, and their names end at 255 bytes
MAX_NAME_CHARS = 100
Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=MAX_NAME_CHARS)]


class Strict(BaseModel):
    """A section: immutable, unknown keys refused, no silent coercion of strings to numbers; a number is finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
