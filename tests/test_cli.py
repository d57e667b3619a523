from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from domainlm.cli import application
from domainlm.commands.shared import parse_overrides
from domainlm.config.errors import ConfigurationError
from domainlm.config.sources import RawCorpus
from domainlm.pipeline.code import code_definitions
from domainlm.pipeline.table import PACKAGE_ROOT, STAGES

Run = Callable[..., subprocess.CompletedProcess[str]]
STAMP = {
    "domain": "medical",
    "artifact": "clean_shards",
    "shard": None,
    "folder": "artifacts/medical/clean_shards",
    "inputs": {"0000": "artifacts/medical/clean_shards/0000"},
    "config": {},
    "distributions": {},
    "is_gather": True,
}


@pytest.fixture
def run(tmp_path: Path, tree_environment: Callable[..., Mapping[str, str]]) -> Run:
    """run(arguments): `python -m domainlm` in an empty project."""

    def done(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "domainlm", *arguments]
        environment = tree_environment(PACKAGE_ROOT)
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    return done


def write_stamp(project: Path, **changes: object) -> Path:
    path = project / "stamp.json"
    code_digest, _ = code_definitions(project, str(changes.get("artifact", STAMP["artifact"])))
    path.write_text(json.dumps({**STAMP, "code_digest": code_digest, **changes}))
    return path


def write_project(folder: Path) -> None:
    """What makes a folder a project."""
    (folder / "config").mkdir(parents=True)
    (folder / "config/config.yaml").write_text("domain: medical\n", encoding="utf-8")


def builds(project: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (project / ".domainlm/builds.jsonl").read_text().splitlines()]


def test_version() -> None:
    version = tomllib.loads((PACKAGE_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    done = CliRunner().invoke(application, ["--version"])
    assert (done.exit_code, done.output) == (0, f"domainlm {version}\n")


@pytest.mark.parametrize("arguments", [["build"], ["build", "--threads", "0", "documents"], ["bild", "documents"]])
def test_wrong_usage_exits_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(application, arguments).exit_code == 2


def test_an_unknown_artifact_exits_2_and_names_the_known_ones() -> None:
    done = CliRunner().invoke(application, ["build", "pt_adaptor"])
    assert done.exit_code == 2
    assert "'pt_adaptor'" in done.stderr
    assert all(stage.name in done.stderr for stage in STAGES)


def test_a_project_s_own_package_is_not_passed_over_by_the_installed_script(
    tmp_path: Path, tree_environment: Callable[..., Mapping[str, str]]
) -> None:
    (tmp_path / "domainlm/pipeline").mkdir(parents=True)
    (tmp_path / "domainlm/pipeline/code.py").touch()
    command = [
        str(Path(sys.executable).parent / "domainlm"),
        "build",
        "clean_shards",
        "--stamp",
        str(write_stamp(tmp_path)),
    ]
    environment = tree_environment(PACKAGE_ROOT)
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "python -m domainlm" in done.stderr


def test_without_a_stamp_exits_3_and_says_who_writes_it(run: Run, tmp_path: Path) -> None:
    write_project(tmp_path)
    done = run("build", "documents", "--shard", "0001")
    assert done.returncode == 3
    assert ".domainlm/stamps/medical/documents.0001.json does not exist; run snakemake" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["config"]


def test_a_missing_input_exits_3_and_names_it_in_every_record(run: Run, tmp_path: Path) -> None:
    stamp = write_stamp(tmp_path)
    done = run("build", "clean_shards", "--stamp", str(stamp), "--log", "logs/x.log")
    reason = "input artifacts/medical/clean_shards/0000 of clean_shards is not built"
    assert done.returncode == 3
    assert reason in done.stderr
    assert "Traceback" not in done.stderr
    assert reason in (tmp_path / "logs/x.log").read_text(encoding="utf-8")
    [row] = builds(tmp_path)
    assert row["outcome"] == "failed"
    assert reason in str(row["why"])
    assert not (tmp_path / "artifacts").exists()


def test_a_defect_exits_3_with_its_trace_in_the_log(run: Run, tmp_path: Path) -> None:
    # a raw_corpus shard whose rows lack what its stage reads
    rows = {"files": [{"source": "x"}], "fetched": [], "hubs": [], "hub_files": {}, "shard": 0}
    config = {**rows, **RawCorpus(shards=1).model_dump()}
    stamp = write_stamp(tmp_path, artifact="raw_corpus", shard="0000", is_gather=False, inputs={}, config=config)
    done = run("build", "raw_corpus", "--shard", "0000", "--stamp", str(stamp), "--log", "x.log")
    assert done.returncode == 3
    log = (tmp_path / "x.log").read_text(encoding="utf-8")
    assert "KeyError: '" in log
    assert "issue tracker, with the file x.log and the output of `python -m domainlm doctor --json`" in log
    assert builds(tmp_path)[0]["outcome"] == "failed"


def test_what_was_built_is_printed_as_json(run: Run, tmp_path: Path) -> None:
    config = {"files": [], "fetched": [], "hubs": [], "hub_files": {}, "shard": 0, **RawCorpus(shards=1).model_dump()}
    folder = "artifacts/medical/raw_corpus/0000"
    stamp = write_stamp(
        tmp_path, artifact="raw_corpus", shard="0000", is_gather=False, inputs={}, config=config, folder=folder
    )
    arguments = ("build", "raw_corpus", "--shard", "0000", "--stamp", str(stamp), "--json")
    first, second = run(*arguments), run(*arguments)
    assert [json.loads(done.stdout)["outcome"] for done in (first, second)] == ["built", "up_to_date"]
    assert json.loads(first.stdout)["tree_digest"] == json.loads(second.stdout)["tree_digest"]
    assert [row["outcome"] for row in builds(tmp_path)] == ["built", "up_to_date"]
    assert (tmp_path / folder / "manifest.json").exists()


def test_a_build_ends_when_the_process_that_started_it_does() -> None:
    code = "import time; from domainlm.commands.process import die_with_parent; die_with_parent(); print('up', flush=True); time.sleep(60)"
    starter = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {code!r}]); time.sleep(60)"
    parent = subprocess.Popen([sys.executable, "-c", starter], cwd=PACKAGE_ROOT, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"up\n"
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    # the end of the pipe that both held: the build is gone too, long before its sleep is over
    assert parent.stdout.read() == b""
    parent.stdout.close()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ([], {}),
        (["pt_adapter={rank: 4, learning_rate: 1e-3}"], {"pt_adapter": {"rank": 4, "learning_rate": 0.001}}),
        (["pt_adapter={rank: 4}", "pt_adapter={alpha: 8}"], {"pt_adapter": {"rank": 4, "alpha": 8}}),
        (["pt_adapter={rank: 4}", "pt_adapter={rank: 8}"], {"pt_adapter": {"rank": 8}}),
        (["seed=3", "domain=law"], {"seed": 3, "domain": "law"}),
    ],
)
def test_overrides(settings: list[str], expected: dict[str, object]) -> None:
    assert parse_overrides(settings) == expected


@pytest.mark.parametrize("setting", ["pt_adapter", "=3", "pt_adapter={rank: 4", "pt_adapter={rank: 4, rank: 5}"])
def test_an_override_that_is_none_is_refused(setting: str) -> None:
    with pytest.raises(ConfigurationError, match="--set"):
        parse_overrides([setting])


def test_a_build_that_is_told_to_end_unwinds_once() -> None:
    code = (
        "import os, signal, time; from domainlm.commands.process import end_tidily_on_sigterm; end_tidily_on_sigterm()\n"
        "try: print('up', flush=True); time.sleep(60)\n"
        "finally: os.kill(os.getpid(), signal.SIGTERM); print('tidy')"
    )
    build = subprocess.Popen([sys.executable, "-c", code], cwd=PACKAGE_ROOT, stdout=subprocess.PIPE)
    assert build.stdout is not None
    assert build.stdout.readline() == b"up\n"
    build.terminate()
    assert build.communicate()[0] == b"tidy\n"
    assert build.returncode == 128 + signal.SIGTERM


def test_the_default_configuration_must_be_a_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "config/config.yaml").mkdir(parents=True)
    for arguments in (["plan"], ["lineage", "documents"], ["verify"], ["push"], ["trace", "x"], ["new", "x", "."]):
        done = run(*arguments)
        assert done.returncode == 2
        assert done.stderr.startswith("config/config.yaml: cannot be read: Is a directory")
        assert len(done.stderr.splitlines()) == 1


def test_a_project_without_lock_files_says_which_is_missing(text_project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (text_project.path / "envs/cpu.lock").unlink()
    monkeypatch.chdir(text_project.path)
    for arguments in (["plan"], ["why", "documents"]):
        done = CliRunner().invoke(application, arguments)
        assert (done.exit_code, done.stderr.split(":")[0]) == (2, "envs/cpu.lock")
    done = CliRunner().invoke(application, ["doctor"])
    assert done.exit_code == 1
    assert "PROBLEM  libraries: envs/cpu.lock: cannot be read" in done.stdout


def test_a_project_without_domains_names_the_default_one(text_project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(text_project.path)
    done = CliRunner().invoke(application, ["plan", "--domain", "law"])
    assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1)
    assert "valid are tiny" in done.stderr


@pytest.mark.parametrize(
    "arguments", [["plan"], ["gc"], ["doctor"], ["new", "x", "."], ["build", "documents"], ["verify", "documents"]]
)
def test_outside_of_every_project(arguments: list[str], run: Run, tmp_path: Path) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"{tmp_path} is no project, as it has no config/config.yaml; change to a project's folder\n"
    assert list(tmp_path.iterdir()) == []


def test_a_shared_store_is_collected_from_anywhere(
    text_project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOMAINLM_STORE", str(tmp_path / "store"))
    text_project.build("raw_corpus")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    found = json.loads(CliRunner().invoke(application, ["gc", "--json"]).stdout)
    assert (found["removed"], found["roots"]["installed"]) == ([], 3)


def test_what_the_system_refuses_is_one_line(text_project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    text_project.build("raw_corpus")
    monkeypatch.chdir(text_project.path)
    inventory = text_project.path / "artifacts/tiny/raw_corpus/0000/inventory.jsonl"
    inventory.unlink()
    inventory.mkdir()
    done = CliRunner().invoke(application, ["trace", "corpus"])
    assert done.exit_code in (0, 3)
    assert done.exception is None or isinstance(done.exception, SystemExit)
