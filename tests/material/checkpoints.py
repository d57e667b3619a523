"""Checkpoints that are changed in one place, and the refusal that names their source."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from domainlm.config.sources import BaseModelConfig
from domainlm.contract import StageError
from domainlm.models.convert import convert

NAMED = r"sources\.<base_model>"
MakeBase = Callable[..., Path]


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **values}), encoding="utf-8")


def refused(base: Path, tmp_path: Path, words: str = "") -> None:
    """The checkpoint is refused in a line that names the source, before and after it is collected."""
    out = tmp_path / "refused"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    with pytest.raises(StageError, match=rf"(?s){words}.*{NAMED}") as caught:
        convert(base, out, BaseModelConfig(dtype="float32"))
    assert "\n" not in str(caught.value)


def opener(folder: Path) -> Callable[[Mapping[str, Any]], BinaryIO]:
    return lambda row: (folder / row["path"]).open("rb")
