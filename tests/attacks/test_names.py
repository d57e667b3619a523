"""Names of files and folders that something between us and the file system takes for something else."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from material.attack import attack
from typer.testing import CliRunner

from domainlm.cli import application
from domainlm.workflow.dvc import name_beyond_dvc, pipeline_document, pipeline_text
from domainlm.workflow.snakemake import build_command

GBK = "病历".encode("gbk")
ODD = ["a\nb", 'q"uote', "b{race}", "d${ollar}", "e\\${sc}", "p%ercent", "c:olon", "-dash", " blank ", "h#ash", "😀", "dot.",
       "s'q", "a*b", "x;y", "~t", "!bang", "{{x}}", "病历", "[a]", "null", "1:30", "&a", "*a", "? a", "L" * 255]  # fmt: skip


def deps(project: Path, stage: str = "raw_corpus") -> list[str]:
    return list(pipeline_document(project)[1]["stages"][stage]["deps"])


def with_corpus(text_project: Any, local: str) -> Path:
    """The tiny project with its corpus in a folder of this name."""
    path = text_project.path / "config/config.yaml"
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    config["sources"]["x"]["local"] = local
    path.write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
    (text_project.path / local).parent.mkdir(parents=True, exist_ok=True)
    (text_project.path / "corpus").rename(text_project.path / local)
    return Path(text_project.path)


@attack(
    "corpus",
    "broken encoding",
    "a GBK file name in a folder that DVC would hash",
    "DVC is not asked to: it starts the stage each time, and names are read as bytes",
)
def test_dvc_is_not_given_a_folder_that_it_cannot_hash(text_project: Any) -> None:
    project = Path(text_project.path)
    assert "corpus" in deps(project)
    (project / "corpus/deep").mkdir()
    Path(os.fsdecode(os.fsencode(project / "corpus/deep") + b"/" + GBK)).write_text("x", encoding="utf-8")
    stages = pipeline_document(project)[1]["stages"]
    assert "corpus" not in stages["raw_corpus"]["deps"]
    assert stages["raw_corpus"]["always_changed"]
    assert "always_changed" not in stages["base_model"]
    assert name_beyond_dvc(project, "corpus") == "corpus/deep/" + os.fsdecode(GBK)


@attack(
    "corpus",
    "template injection",
    "a folder named `${x}`, which is a variable to DVC",
    "dvc.yaml escapes it, so that DVC reads the folder's own name",
)
@pytest.mark.parametrize("name", ["d${ollar}", "${x}", "a${b", "e\\${sc}"])
def test_a_folder_is_no_variable_of_dvc(name: str, text_project: Any) -> None:
    from dvc.parsing.context import Context

    project = with_corpus(text_project, name)
    [listed] = [each for each in deps(project) if "$" in each]
    assert Context().resolve_str(listed) == name


@attack(
    "corpus",
    "YAML injection",
    "folder names with line feeds, quotes, colons, anchors or words that YAML reads as values",
    "dvc.yaml holds each as one text, and a build reads it",
)
def test_a_folder_s_name_is_one_text(text_project: Any) -> None:
    project = Path(text_project.path)
    path = project / "config/config.yaml"
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    for number, name in enumerate(ODD):
        (project / "data" / name).mkdir(parents=True)
        (project / "data" / name / "x.txt").write_text(f"words {number}", encoding="utf-8")
        config["sources"][f"odd{number}"] = {"role": "corpus", "local": f"data/{name}"}
    path.write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
    listed = yaml.safe_load(pipeline_text(project)[1])["stages"]["raw_corpus"]["deps"]
    assert {f"data/{name}".replace("${", "\\${") for name in ODD} <= set(listed)
    assert set(text_project.build("raw_corpus")) == {"built"}
    rows = [row for file in project.glob("artifacts/tiny/raw_corpus/*/inventory.jsonl") for row in file.open()]
    assert len(rows) == len(ODD) + 4


@attack(
    "workspace",
    "shell injection",
    "a project in a folder whose name holds quotes, `$(...)` and Snakemake's braces",
    "the rules' command starts the same interpreter",
)
@pytest.mark.parametrize("folder", ["a b", "q'uo\"te", "$(touch owned)", "b{race} {{q}} {}", "x;y&z", "a\nb"])
def test_the_rules_command_is_quoted(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    python = f"/projects/{folder}/.venv/bin/python"
    monkeypatch.setattr(sys, "executable", python)
    # Snakemake formats a rule's command, then a shell reads it
    assert shlex.split(build_command().format())[:3] == ["exec", python, "-m"]


@attack(
    "workspace",
    "wrong folder",
    "a command in a subfolder of a project, or where no project is",
    "one line that names the project to change to, exit 2; nothing is written",
)
@pytest.mark.parametrize(
    "arguments",
    ["plan", "why raw_corpus", "lineage raw_corpus", "trace x", "verify", "check documents", "push", "pull", "doctor", "gc",
     "new x .",
     "gc --list-pins", "doctor --hollow", "doctor --install-hooks", "build documents"],
)  # fmt: skip
def test_a_command_names_the_project_above(arguments: str, text_project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = text_project.path / "corpus"
    monkeypatch.chdir(folder)
    before = sorted(text_project.path.rglob("*"))
    done = CliRunner().invoke(application, arguments.split())
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        f"{folder} is no project, as it has no config/config.yaml; {text_project.path} is one: cd {text_project.path}"
    ]
    assert sorted(text_project.path.rglob("*")) == before


@attack(
    "workspace",
    "wrong folder",
    "a current folder that was removed",
    "one line, exit 2, no traceback",
)
@pytest.mark.parametrize("arguments", ["plan", "trace x", "gc", "doctor", "doctor --hollow", "build documents"])
def test_a_folder_that_is_gone(arguments: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    done = CliRunner().invoke(application, arguments.split())
    assert (done.exit_code, done.stderr) == (2, "the current folder was removed; change to a project's folder\n")


@attack(
    "workspace",
    "wrong folder",
    "a current folder that this user may not enter",
    "one line with the system's reason, exit 2",
)
def test_a_folder_that_may_not_be_entered(open_folder: Path, as_nobody: Callable[[Callable[[], Any]], Any]) -> None:
    os.chdir(open_folder)
    try:
        open_folder.chmod(0o700)
        code, words = as_nobody(
            lambda: (lambda done: (done.exit_code, done.stderr))(CliRunner().invoke(application, ["plan"]))
        )
    finally:
        os.chdir("/")
        open_folder.chmod(0o755)
    assert code == 2
    assert words == "the current folder cannot be read (Permission denied); change to a project's folder\n"
