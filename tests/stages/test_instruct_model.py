from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from domainlm.config.instruct import InstructModelConfig
from domainlm.contract import Inputs, Resources, StageError
from domainlm.pipeline.slices import parse_slice
from domainlm.stages import base_model, instruct_model


def build(stage: Any, source: Path, out: Path, folders: dict[str, Path] | None = None, **values: Any) -> Path:
    """What a stage makes of a source's folder."""
    name = stage.__name__.rsplit(".", 1)[-1]
    out.mkdir()
    config = {
        "section": InstructModelConfig(**values.pop("section", {})).model_dump(mode="json"),
        "source": {"source": "tiny_chat", "role": name, "licence": "Apache-2.0"},
        "files": [{"path": path.name} for path in sorted(source.iterdir())],
        "hub": None,
        **values,
    }
    inputs = Inputs(folders or {}, lambda row: (source / str(row["path"])).open("rb"))
    stage.run(inputs, parse_slice(name, config), out, out.parent / f"scratch_{out.name}", Resources())
    return out


def without_template(source: Path) -> Path:
    path = source / "tokenizer_config.json"
    values = json.loads(path.read_text())
    values.pop("chat_template", None)
    path.write_text(json.dumps(values))
    (source / "chat_template.jinja").unlink(missing_ok=True)
    return source


def test_it_is_made_as_the_base_model_is(make_base: Callable[..., Path], tmp_path: Path) -> None:
    source = make_base("llama")
    (source / "tokens.json").unlink()
    base = build(base_model, source, tmp_path / "base_model")
    out = build(instruct_model, source, tmp_path / "instruct_model", {"base_model": base})
    names = {path.name for path in base.iterdir()}
    assert {path.name for path in out.iterdir()} == names
    assert all((base / name).read_bytes() == (out / name).read_bytes() for name in names - {"source.json"})
    facts = json.loads((out / "source.json").read_text())
    assert (facts["role"], facts["kind"]) == ("instruct_model", "instruct")
    assert "its name is tiny_chat" in facts["evidence"]


def test_a_base_whose_chat_form_is_not_used_needs_no_template(make_base: Callable[..., Path], tmp_path: Path) -> None:
    source = without_template(make_base("llama"))
    (source / "tokens.json").unlink()
    with pytest.raises(StageError, match="has no chat template"):
        build(base_model, source, tmp_path / "refused", has_system_turn=True)
    base = build(base_model, source, tmp_path / "base_model", has_system_turn=True, is_chat_form=False)
    tokens = json.loads((base / "tokens.json").read_text())
    assert (tokens["turn_end"], tokens["end_of_text"]) == ("<|endoftext|>", "<|endoftext|>")
    assert json.loads((base / "source.json").read_text())["evidence"][-1] == "it has no chat template of its own"


def test_its_errors_name_its_own_source_and_section(make_base: Callable[..., Path], tmp_path: Path) -> None:
    source = without_template(make_base("llama"))
    with pytest.raises(StageError, match=r"sources\.tiny_chat has no chat template.*set instruct_model\.chat_template"):
        build(instruct_model, source, tmp_path / "out", {"base_model": source})
    config = {"section": InstructModelConfig().model_dump(mode="json"), "files": [], "source": {}, "hub": None}
    parsed = parse_slice("instruct_model", config)
    with pytest.raises(StageError, match="those of the source with role instruct_model"):
        instruct_model.run(Inputs({}), parsed, tmp_path, tmp_path, Resources())


def test_a_wrong_pair_is_refused(make_base: Callable[..., Path], tmp_path: Path) -> None:
    base = build(base_model, make_base("llama"), tmp_path / "base_model")
    other = make_base("qwen2")
    with pytest.raises(StageError, match='model_type: "llama", that of instruct_model "qwen2"'):
        build(instruct_model, other, tmp_path / "out", {"base_model": base})
