"""Code that would run without standing in the key: each try in a project of its own, built by real processes."""

from __future__ import annotations

import os
import py_compile
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from material.attack import attack

# plans, lets a test do something, and builds: what happens between, or while a stage runs, is the point of most tests
BUILD = """\
import sys
from pathlib import Path
from domainlm.builder.history import recorded_build
from domainlm.contract import Resources
from domainlm.workflow.prepare import prepare

stamps = prepare({}, Path.cwd()).stamps
exec(sys.argv[1])
print(recorded_build(Path.cwd(), stamps["raw_corpus", "0000"], Resources(log=lambda message: None)).outcome)
"""
STAGE = "domainlm/stages/raw_corpus.py"
SEGMENTS = "domainlm/raw/segments.py"
# what a stage says of itself, below its own code
MARK = "MARK = 3\n_run_shard = run_shard\n\n\ndef run_shard(inputs, config, out, scratch, resources):\n"
REST = "    return _run_shard(inputs, config, out, scratch, resources)\n"


@dataclass(frozen=True)
class Project:
    """A copy of the repository with a small corpus, whose first shard of raw_corpus is built."""

    path: Path
    environment: dict[str, str]

    def add(self, name: str, text: str) -> None:
        (self.path / name).parent.mkdir(parents=True, exist_ok=True)
        with (self.path / name).open("a", encoding="utf-8") as file:
            file.write(text)

    def stage_does(self, line: str) -> None:
        """Let the stage run a statement before its own work."""
        self.add(STAGE, f"{MARK}    {line}\n{REST}")

    def marked(self, what: str, before: str = "") -> None:
        """Let the stage write what it computes of an expression."""
        self.add(STAGE, f"{before}\n{MARK}    (out / 'mark').write_text(str({what}))\n{REST}")

    def edit(self, name: str, old: bytes, new: bytes) -> None:
        """Other bytes in place; the file's size and time stay."""
        assert len(old) == len(new)
        path = self.path / name
        found, data = path.stat(), path.read_bytes()
        assert old in data
        with path.open("r+b") as file:
            file.write(data.replace(old, new, 1))
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))

    def build(self, between: str = "", **changes: str) -> subprocess.CompletedProcess[str]:
        command = ["python", "-c", BUILD, between]
        environment = {**self.environment, **changes}
        return subprocess.run(command, cwd=self.path, env=environment, capture_output=True, text=True, check=False)

    def outcome(self, between: str = "", **changes: str) -> str:
        done = self.build(between, **changes)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def refused(self, between: str = "", **changes: str) -> str:
        """Why a build did not happen; nothing of it may be in the store."""
        before = self.records()
        done = self.build(between, **changes)
        assert done.returncode != 0, done.stdout
        assert self.records() == before
        return done.stderr.strip().splitlines()[-1]

    def records(self) -> list[str]:
        return sorted(path.name for path in (self.path / ".dvc/domainlm-store/actions").glob("*/*.json"))

    @property
    def mark(self) -> str:
        return (self.path / "artifacts/tiny/raw_corpus/0000/mark").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, copy_tree: Any, make_text_project: Any) -> Path:
    """Built once, so that what is remembered of code and bytecode is there for the copies."""
    small = make_text_project(tmp_path_factory.mktemp("small") / "project").path
    folder = Path(copy_tree(tmp_path_factory.mktemp("code") / "project"))
    shutil.copyfile(small / "config/config.yaml", folder / "config/config.yaml")
    for name in ("corpus", "model"):
        shutil.copytree(small / name, folder / name)
    return folder


@pytest.fixture
def project(original: Path, tmp_path: Path, tree_environment: Callable[..., dict[str, str]]) -> Project:
    folder = tmp_path / "project"
    shutil.copytree(original, folder, symlinks=True)
    kept = tree_environment(folder)
    found = Project(folder, {name: value for name, value in kept.items() if name != "PYTHONDONTWRITEBYTECODE"})
    if not (original / ".domainlm/code_index.json").exists():
        assert found.outcome() == "built"
        (original / ".domainlm").mkdir(exist_ok=True)
        shutil.copyfile(folder / ".domainlm/code_index.json", original / ".domainlm/code_index.json")
        shutil.copytree(folder / "domainlm", original / "domainlm", dirs_exist_ok=True)
    return found


def is_in_the_key(project: Project, name: str, old: bytes, new: bytes) -> None:
    """An edit of the file is built, and what the stage marks is of the new code: 3 before, 4 after."""
    assert project.outcome() == "built"
    project.edit(name, old, new)
    assert project.outcome() == "built"
    assert project.mark == "4"


@attack(
    "code",
    "stale bytecode",
    "an edit of the same size that keeps the file's time, as rsync -t, clamped archives and image layers make it",
    "the new code runs under the new code's key",
)
def test_an_edit_that_keeps_size_and_time_runs(project: Project) -> None:
    project.marked("MARK")
    assert project.outcome() == "built"
    assert project.mark == "3"
    project.edit(STAGE, b"MARK = 3", b"MARK = 4")
    assert project.outcome() == "built"
    assert project.mark == "4"
    project.edit(STAGE, b"MARK = 4", b"MARK = 3")
    assert project.outcome() == "restored"
    assert project.mark == "3"


@attack(
    "code",
    "foreign bytecode",
    "bytecode of another version of a module in __pycache__, as an installer or an image leaves it, valid by time or unchecked",
    "it is not read: the source runs",
)
@pytest.mark.parametrize("mode", ["TIMESTAMP", "UNCHECKED_HASH"])
def test_bytecode_that_others_left_is_not_read(project: Project, mode: str) -> None:
    project.marked("MARK")
    path = str(project.path / STAGE)
    py_compile.compile(path, invalidation_mode=py_compile.PycInvalidationMode[mode])
    project.edit(STAGE, b"MARK = 3", b"MARK = 4")
    assert project.outcome() == "built"
    assert project.mark == "4"


@attack(
    "code",
    "code outside the digest",
    "a constant in the __init__.py of a package on the way to a stage's code, the whole package's own included",
    "it is in the key",
)
@pytest.mark.parametrize("name", ["domainlm", "domainlm.text", "domainlm.text.reading"])
def test_code_in_a_package_s_own_file_is_in_the_key(project: Project, name: str) -> None:
    file = f"{name.replace('.', '/')}/__init__.py"
    project.add(file, "LIMIT = 3\n")
    project.marked("LIMIT", f"from {name} import LIMIT")
    is_in_the_key(project, file, b"LIMIT = 3", b"LIMIT = 4")


@attack(
    "code",
    "code outside the digest",
    "a module whose name only begins like that of the configuration models, which are in no digest",
    "it is in the key: names are compared part by part",
)
def test_a_name_that_begins_alike_is_in_the_key(project: Project) -> None:
    project.add("domainlm/config_helpers.py", "LIMIT = 3\n")
    project.marked("LIMIT", "from domainlm.config_helpers import LIMIT")
    is_in_the_key(project, "domainlm/config_helpers.py", b"LIMIT = 3", b"LIMIT = 4")


@attack(
    "code",
    "code outside the digest",
    "a stage that computes with the configuration models: a function, a default, a method of a section",
    "the module that it imports them from is in the key",
)
def test_what_computes_of_the_configuration_is_in_the_key(project: Project) -> None:
    project.add("domainlm/config/section.py", "\n\ndef limit():\n    return 3\n")
    project.marked("limit()", "from domainlm.config.section import limit")
    is_in_the_key(project, "domainlm/config/section.py", b"return 3", b"return 4")


@attack(
    "workspace",
    "edit between planning and running",
    "a stage's code is edited after its key was computed, before its job starts",
    "the build stops and names it; nothing is recorded under the old key",
)
def test_an_edit_after_the_plan_is_refused(project: Project) -> None:
    project.marked("MARK")
    said = project.refused(f"p = Path('{STAGE}'); p.write_text(p.read_text().replace('MARK = 3', 'MARK = 4'))")
    assert "edited since this run began" in said
    assert project.outcome() == "built"
    assert project.mark == "4"


@attack(
    "workspace",
    "edit between planning and running",
    "a default or a meaning of the configuration models is edited after the key was computed",
    "the build stops and names it",
)
def test_an_edit_of_the_models_after_the_plan_is_refused(project: Project) -> None:
    """A model that was imported already does not change; a job of Snakemake is a process that imports it anew."""
    build = "import sys; from pathlib import Path; from domainlm.builder.history import recorded_build\n"
    build += "from domainlm.pipeline.stamp import read_stamp\n"
    build += "from domainlm.contract import Resources\n"
    build += "recorded_build(Path.cwd(), read_stamp(Path(sys.argv[1])), Resources(log=lambda message: None))\n"
    assert project.outcome() == "built"
    stamp = ".domainlm/stamps/tiny/documents.0000.json"
    text = (project.path / "domainlm/config/text.py").read_text(encoding="utf-8")
    field = "class Documents(Strict):\n"
    assert field in text
    (project.path / "domainlm/config/text.py").write_text(text.replace(field, f"{field}    extra: int = 3\n"))
    command = ["python", "-c", build, stamp]
    done = subprocess.run(
        command, cwd=project.path, env=project.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "domainlm/config was edited since the stamp of documents was written" in done.stderr


@attack(
    "workspace",
    "edit while a stage runs",
    "declared package data are written to while the stage that reads them runs",
    "the output is discarded and the build reports the reason",
)
def test_package_data_that_change_under_a_stage_are_noticed(project: Project) -> None:
    project.add("domainlm/text/words.txt", "one\n")
    table = project.path / "domainlm/pipeline/table.py"
    text = table.read_text(encoding="utf-8")
    row = 'Stage("raw_corpus", "sources", '
    assert row in text
    table.write_text(text.replace(row, f'{row}package_data=("domainlm/text/words.txt",), '), encoding="utf-8")
    project.stage_does("open('domainlm/text/words.txt', 'a').write('two')")
    assert "were edited while it ran" in project.refused()


@attack(
    "code",
    "code outside the digest",
    "a stage imports by a computed name, runs text as code, or reads its own docstring or file",
    "the run is refused, with file and line",
)
@pytest.mark.parametrize(
    "line",
    [
        "import importlib; importlib.import_module('domainlm.text' + '.order')",
        "__import__('domainlm.text.order')",
        "exec('X = 1')",
        "print(run_shard.__doc__)",
        "import sys; print(sys.modules['domainlm.text'])",
        "open(__file__).close()",
    ],
)
def test_code_that_is_reached_by_name_is_refused(project: Project, line: str) -> None:
    project.stage_does(line)
    said = project.refused()
    assert f"{STAGE}:" in said
    assert "other than by an import statement" in said


@attack(
    "code",
    "code outside the digest",
    "an extension module, or bytecode without source, in the place of a module or of a package",
    "it is not imported; the error names the file",
)
@pytest.mark.parametrize("name", ["segments.so", "segments/__init__.pyc"])
def test_what_is_no_source_is_refused(project: Project, name: str) -> None:
    path = project.path / "domainlm/raw" / name
    path.parent.mkdir(exist_ok=True)
    if path.suffix == ".pyc":
        py_compile.compile(str(project.path / SEGMENTS), cfile=str(path), doraise=True)
    else:
        path.write_bytes(b"\x7fELF")
    assert str(path) in project.refused()


@attack(
    "workspace",
    "search path",
    "another folder `domainlm` before the project on PYTHONPATH, which includes the project's modules and changes one",
    "the run is refused, because the code that ran is not the code that the key's digest covers",
)
def test_a_package_that_stands_before_the_project_s_is_refused(project: Project, tmp_path: Path) -> None:
    front = tmp_path / "front/domainlm"
    (front / "text/reading").mkdir(parents=True)
    (front / "__init__.py").write_text(f"__path__.append({str(project.path / 'domainlm')!r})\n")
    for name in ("text", "text/reading"):
        below = str(project.path / "domainlm" / name)
        (front / name / "__init__.py").write_text(f"__path__.append({below!r})\n")
    shutil.copyfile(project.path / SEGMENTS, front / "text/reading/segments.py")
    project.stage_does("pass")
    said = project.refused(PYTHONPATH=os.pathsep.join([str(front.parent), str(project.path)]), PYTHONSAFEPATH="1")
    assert "no other folder `domainlm` before it on PYTHONPATH" in said


@attack(
    "workspace",
    "edit while a stage runs",
    "a module is edited between a stage's start and that of a process which the stage starts, as torchrun's workers",
    "the process stops before it works, and the build with it",
)
def test_a_process_that_a_stage_starts_proves_its_code(project: Project) -> None:
    project.add("domainlm/text/worker.py", '"""Started by name."""\nimport domainlm.raw.segments\nprint("works")\n')
    start = "import subprocess as s, sys; {}s.run([sys.executable, '-m', 'domainlm.text.worker'], check=True)"
    project.stage_does(start.format(""))
    assert project.outcome().split() == ["works", "built"]
    for name in (SEGMENTS, "domainlm/text/worker.py"):
        text = (project.path / STAGE).read_text(encoding="utf-8").replace(start.format(""), "pass")
        (project.path / STAGE).write_text(text, encoding="utf-8")
        project.stage_does(start.format(f"open('{name}', 'a').write('X = 1\\n'); "))
        assert "returned non-zero exit status" in project.refused()


@attack(
    "workspace",
    "torn file",
    "a file of bytecode that is cut off, full of zeros, or of another version of Python",
    "the source is compiled and runs",
)
def test_torn_bytecode_is_made_again(project: Project) -> None:
    project.marked("MARK")
    assert project.outcome() == "built"
    torn = 0
    for path in (project.path / "domainlm").rglob("*.opt-checked.pyc"):
        data = path.read_bytes()
        path.write_bytes([data[:-1], data[: len(data) // 2] + bytes(len(data) - len(data) // 2), b""][torn % 3])
        torn += 1
    assert torn > 30
    shutil.rmtree(project.path / ".dvc/domainlm-store")
    shutil.rmtree(project.path / "artifacts")
    assert project.outcome() == "built"
    assert project.mark == "3"
