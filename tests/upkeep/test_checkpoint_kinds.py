from __future__ import annotations

import json
from pathlib import Path

import pytest
from material.projects import SOURCES, write_project

from domainlm.upkeep.checkpoint_kinds import checkpoint_kinds

MODEL = "m: {role: base_model, local: model}"


def project(root: Path, model: str = MODEL, more: str = "") -> Path:
    return write_project(root, {"a.txt": "A text."}, SOURCES.replace(MODEL, model) + more)


def write_source(root: Path, artifact: str, source: str, kind: str) -> None:
    folder = root / f"artifacts/tiny/{artifact}"
    folder.mkdir(parents=True)
    facts = {"source": source, "kind": kind, "evidence": ["its end token <|im_end|> ends a turn of that template"]}
    (folder / "source.json").write_text(json.dumps(facts))


def found(root: Path) -> dict[str, str]:
    checks = checkpoint_kinds(root)
    assert all(check.is_ok for check in checks)
    return {check.name: check.found for check in checks}


def test_nothing_is_said_without_a_configuration(tmp_path: Path) -> None:
    assert checkpoint_kinds(tmp_path) == []


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("m: {role: base_model, local: models/Qwen2.5-14B-Instruct}", "its name is Qwen2.5-14B-Instruct"),
        (
            f"m: {{role: base_model, hub: {{repository: Qwen/Qwen2.5-14B-Instruct, revision: {'a' * 40}}}}}",
            "its name is Qwen/Qwen2.5-14B-Instruct",
        ),
        (
            "m: {role: base_model, fetch: {package: some-models, version: 0.1.2, "
            f"member: models/Small-Instruct.Q4_1.gguf, sha256: {'a' * 64}}}}}",
            "its name is Small-Instruct.Q4_1",
        ),
    ],
)
def test_before_a_build_the_name_is_the_evidence(model: str, said: str, tmp_path: Path) -> None:
    words = found(project(tmp_path, model))["base model of tiny"]
    assert words.startswith(f"The base model m looks like an instruct model ({said}; not built yet,")
    assert "loses instruction following" in words
    assert "sft_adapter.relay: instruct_residual" in words


def test_without_pretraining_nothing_is_lost_by_it(tmp_path: Path) -> None:
    model = "m: {role: base_model, local: models/Qwen2.5-14B-Instruct}"
    words = found(project(tmp_path, model, "sft_adapter: {relay: none}\n"))["base model of tiny"]
    assert words.endswith("not looked at).")


def test_after_a_build_what_was_found_is_the_evidence(tmp_path: Path) -> None:
    root = project(tmp_path)
    assert "may be a base or an instruct model" in found(root)["base model of tiny"]
    write_source(root, "base_model", "m", "instruct")
    assert found(root)["base model of tiny"].startswith(
        "The base model m looks like an instruct model (its end token <|im_end|> ends a turn of that template). Continued"
    )


def test_what_was_built_of_another_source_is_no_evidence(tmp_path: Path) -> None:
    root = project(tmp_path)
    write_source(root, "base_model", "former", "instruct")
    assert "not built yet" in found(root)["base model of tiny"]


def test_both_checkpoints_of_an_instruct_residual(tmp_path: Path) -> None:
    more = "sft_adapter: {relay: instruct_residual}\n"
    root = project(tmp_path, f"{MODEL}\n  chat: {{role: instruct_model, local: chat}}", more)
    write_source(root, "base_model", "m", "instruct")
    write_source(root, "instruct_model", "chat", "base")
    words = found(root)
    assert "which should be the checkpoint before instruction" in words["base model of tiny"]
    assert words["instruct model of tiny"].startswith(
        "The instruct model chat looks like a base model, trained on text"
    )
    assert "nothing of it may follow instructions" in words["instruct model of tiny"]


def test_a_configuration_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    root = project(tmp_path, more="nothing: 3\n")
    [check] = checkpoint_kinds(root)
    assert (check.name, check.is_ok) == ("configuration", False)
    assert "nothing" in check.found


def test_a_folder_of_a_domain_that_is_no_more_is_passed_over(tmp_path: Path) -> None:
    root = project(tmp_path)
    (root / "artifacts/former/base_model").mkdir(parents=True)
    (root / "artifacts/former/base_model/source.json").write_text("{}")
    assert list(found(root)) == ["base model of tiny"]
