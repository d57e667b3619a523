"""What every section of the configuration is, and the types that several of them share."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
NAME_PATTERN = "^[a-z][a-z0-9_]*$"
# files and folders are called by it, and their names end at 255 bytes
MAX_NAME_CHARS = 100
Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=MAX_NAME_CHARS)]


class Strict(BaseModel):
    """A section: immutable, unknown keys refused, no silent coercion of strings to numbers; a number is finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
