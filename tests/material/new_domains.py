"""Folders that `domainlm new` makes a domain of, and what it says of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from safetensors.numpy import save_file

from domainlm.config.errors import ConfigurationError
from domainlm.scaffold.new import Request, Scaffold, plan_domain, render
from domainlm.terminal import PlainConsole
from material.torture import ENGLISH, SIMPLIFIED, html, pdf

Files = dict[str, str | bytes]
LEAFLETS: Files = {
    "asthma.pdf": pdf([ENGLISH]),
    "cough.txt": (SIMPLIFIED * 3).encode("gb18030"),
    "notes.txt": b"",
    "picture.png": b"\x89PNG\r\n\x1a\n" + bytes(40),
    "web/air.html": html(SIMPLIFIED * 3),
    "web/pollen.html": html(ENGLISH),
}


def write(folder: Path, files: Files) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode("utf-8"))
    return folder


def made(project: Path, folder: str = "data/leaflets", name: str = "leaflets", **given: str) -> Scaffold:
    return plan_domain(project, Request(name, folder, **given), lambda done, total, figures: None)


def refused(project: Path, folder: str = "data/leaflets", name: str = "leaflets", **given: str) -> str:
    """The error, after which nothing is written."""
    with pytest.raises(ConfigurationError) as error:
        made(project, folder, name, **given)
    assert not (project / "config/domains").exists()
    return str(error.value)


def shown(scaffold: Scaffold, is_written: bool = False) -> str:
    console: Console = PlainConsole(width=160)
    with console.capture() as capture:
        console.print(render(scaffold, is_written))
    return "".join(f"{line.rstrip()}\n" for line in capture.get().splitlines())


def unread(scaffold: Scaffold) -> dict[str, str]:
    return {found.example: found.reason for found in scaffold.survey.unread}


def write_checkpoint(folder: Path) -> None:
    """What the checks before any library look at: a configuration, a tokenizer's file, whole weights."""
    config = {"architectures": ["LlamaForCausalLM"], "num_hidden_layers": 1}
    write(folder, {"config.json": json.dumps(config), "tokenizer.json": "{}"})
    save_file({"a.weight": np.zeros((2, 2), np.float32)}, folder / "model.safetensors")
