from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from material.projects import write_project
from snakemake import cli
from snakemake.cli import get_argument_parser

from domainlm.config.errors import ConfigurationError
from domainlm.pipeline.places import stamp_path
from domainlm.pipeline.stamp import action_of
from domainlm.store.actions import action_key, make_action
from domainlm.store.canonical import sha256_of_file
from domainlm.store.roots import Workspaces, find_workspaces
from domainlm.workflow.dvc import pipeline_text
from domainlm.workflow.prepare import prepare
from domainlm.workflow.snakemake import LOOKS, Workflow, build_command

ACTION = make_action("raw_corpus", "c" * 64, {}, {}, {})


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path, {"a.txt": "a"})


def install(workflow: Workflow, artifact: str, text: str = "{}", shard: str | None = None) -> Path:
    """Pretend that an artifact was built as its stamp asks for."""
    stamp = workflow.stamps[artifact, shard]
    folder = workflow.project / stamp.folder
    folder.mkdir(parents=True, exist_ok=True)
    inputs = {
        name: sha256_of_file(workflow.project / path / "manifest.json")
        for name, path in stamp.inputs.items()
        if (workflow.project / path / "manifest.json").exists()
    }
    (folder / "action.json").write_text(json.dumps({"key": action_key(action_of(stamp, inputs))}))
    (folder / "manifest.json").write_text(text)
    return folder / "manifest.json"


def test_rules_get_paths_relative_to_the_project(project: Path) -> None:
    workflow = prepare({}, project)
    assert workflow.manifest("documents", "0001") == "artifacts/tiny/documents/0001/manifest.json"
    assert workflow.input("documents", "raw_corpus", "0001") == ["artifacts/tiny/raw_corpus/0001/manifest.json"]
    assert workflow.shard_manifests("documents") == [
        f"artifacts/tiny/documents/{shard}/manifest.json" for shard in ("0000", "0001")
    ]
    assert workflow.input("sft_adapter", "merged_model") == ["artifacts/tiny/merged_model/manifest.json"]
    assert workflow.input("sft_adapter", "pt_adapter") == []
    assert workflow.log("documents", "0001") == "logs/tiny/documents/0001.log"
    assert workflow.log("pt_adapter") == "logs/tiny/pt_adapter.log"
    assert workflow.shards == ["0000", "0001"]
    assert (project / stamp_path("tiny", "pt_adapter")).exists()
    assert (project / ".domainlm/stamps/tiny/documents.0001.json").exists()


def test_compared_results_must_be_built(project: Path) -> None:
    workflow = prepare({"eval_results": {"compare": ["other"]}}, project)
    with pytest.raises(ConfigurationError, match=r"names 'other'.*--config domain=other"):
        workflow.compared("eval_results")
    (project / "artifacts/other/eval_results").mkdir(parents=True)
    (project / "artifacts/other/eval_results/manifest.json").write_text("{}")
    assert workflow.compared("eval_results") == ["artifacts/other/eval_results/manifest.json"]


def test_what_is_installed_as_asked_for_stays(project: Path) -> None:
    workflow = prepare({}, project)
    manifests = [install(workflow, "corpus_split"), install(workflow, "base_model"), install(workflow, "pt_tokens")]
    before = [path.stat().st_mtime_ns for path in manifests]
    prepare({}, project)
    assert [path.stat().st_mtime_ns for path in manifests] == before


def everything_in(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Size, time and inode of every file and folder, but for what is remembered of files' digests."""
    found = {str(p): (s.st_size, s.st_mtime_ns, s.st_ino) for p in folder.rglob("*") for s in [p.lstat()]}
    return {p: s for p, s in found.items() if not p.endswith(("_index.json", ".domainlm"))}


def test_a_look_changes_nothing(project: Path) -> None:
    prepare({}, project, is_run=False)
    assert not (project / ".domainlm/stamps").exists()
    workflow = prepare({}, project)
    manifest = install(workflow, "sft_dataset")
    os.utime(manifest, (2**32, 2**32))
    before = everything_in(project)
    looked = prepare({"sft_dataset": {"max_documents": 3}}, project, targets=["sft_dataset"], is_run=False)
    assert looked.due == (workflow.manifest("sft_dataset"),)
    assert looked.input("documents", "raw_corpus", "0001") == ["artifacts/tiny/raw_corpus/0001/manifest.json"]
    assert everything_in(project) == before


def test_a_run_brings_manifests_of_a_clock_that_was_ahead_to_now(project: Path) -> None:
    workflow = prepare({}, project)
    ahead, behind = install(workflow, "base_model"), install(workflow, "corpus_split")
    os.utime(ahead, (time.time() + 86_400,) * 2)
    os.utime(behind, (1, 1))
    prepare({}, project)
    assert abs(ahead.stat().st_mtime - time.time()) < 60
    assert behind.stat().st_mtime == 1


def test_every_option_with_which_snakemake_runs_no_job_is_known() -> None:
    """Each is an option of its command line, and every branch of that command line but the last is here."""
    plain = vars(get_argument_parser().parse_args([]))
    assert {name: plain[name] for name in LOOKS if plain.get(name, "unknown")} == {}
    branches = set(re.findall(r"(?:el)?if args\.(\w+)(?: is not None)?:\n", inspect.getsource(cli.args_to_api)))
    chosen_otherwise = {
        "preemptible_rules",
        "reporter",
        "use_conda",
        "use_apptainer",
        "use_envmodules",
        "deploy_sources",
        "runtime_profile",
    }
    assert branches - chosen_otherwise <= {*LOOKS}


ASK = """
from domainlm.workflow.snakemake import asked_of_snakemake
settings, targets, is_run = asked_of_snakemake()
with open("asked", "a") as file:
    print(settings is not None, is_run, *sorted(targets), sep=",", file=file)
rule all:
rule made:
    output: "made.txt"
    shell: "touch {output}"
"""
# Snakemake's own main, several times in one process
CALLS = """
import sys
from snakemake import cli
for line in sys.argv[1:]:
    parser, arguments = cli.parse_args([*line.split(), "--cores", "1", "--quiet", "all"])
    cli.args_to_api(arguments, parser)
"""


def test_what_is_made_a_target_by_another_option_is_asked_for(tmp_path: Path, repository: Path) -> None:
    """Its inputs have to be what is asked for, too; Snakemake by itself would make it from older ones."""
    (tmp_path / "Snakefile").write_text(ASK)
    asked = {
        "--list": "False,False",
        "-n": "True,False,all",
        "made": "True,True,made",
        "--forcerun made": "True,True,all,made",
        "all --until made": "True,True,all,made",
        "all --prioritize made.txt": "True,True,all,made.txt",
    }
    command = [sys.executable, "-c", CALLS, *asked]
    subprocess.run(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(repository)}, check=True)
    assert (tmp_path / "asked").read_text().splitlines() == list(asked.values())


def test_only_the_main_process_writes(project: Path) -> None:
    prepare({}, project, is_main_process=False)
    assert not (project / ".domainlm/stamps").exists()
    workflow = prepare({}, project)
    stamp = project / stamp_path(workflow.domain, "sft_dataset")
    stamp.write_text("{}")
    prepare({}, project, is_main_process=False)
    assert stamp.read_text() == "{}"


def test_a_job_goes_by_what_was_resolved_when_it_was_submitted(project: Path) -> None:
    submitted = prepare({"sft_adapter": {"relay": "merge"}}, project)
    later = {"sft_adapter": {"relay": "none"}, "raw_corpus": {"shards": 3}}
    job = prepare(later, project, is_main_process=False)
    assert job.shard_manifests("documents") == submitted.shard_manifests("documents")
    for name in ("sft_adapter", "eval_results"):
        for model in ("base_model", "pt_adapter", "merged_model"):
            assert job.input(name, model) == submitted.input(name, model)
    assert job.input("sft_adapter", "merged_model") == ["artifacts/tiny/merged_model/manifest.json"]


def test_a_missing_source_is_an_error_before_any_stamp(project: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"sources\.x\.local: nowhere does not exist"):
        prepare({"sources": {"x": {"local": "nowhere"}}}, project)
    assert not (project / ".domainlm/stamps").exists()


def test_a_file_of_trusted_keys_that_is_not_there_is_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOMAINLM_TRUSTED_KEYS", str(project / "nowhere"))
    with pytest.raises(ConfigurationError, match=r"DOMAINLM_TRUSTED_KEYS is .*nowhere, which is not a file"):
        prepare({}, project, is_run=False)


def test_how_to_use_it_names_base_and_adapter(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workflow = prepare({}, project)
    workflow.say_how_to_use()
    assert capsys.readouterr().err == ""
    (project / "artifacts/tiny/sft_adapter").mkdir(parents=True)
    (project / "artifacts/tiny/sft_adapter/manifest.json").write_text("{}")
    workflow.say_how_to_use()
    said = capsys.readouterr().err
    assert "artifacts/tiny/sft_adapter" in said
    assert "artifacts/tiny/merged_model" in said


def test_the_rules_command_replaces_the_shell() -> None:
    assert build_command().startswith("exec ")
    assert build_command().endswith(" -m domainlm build --as-needed --parent $PPID")


def test_a_workspace_registers_with_a_store_that_is_there(project: Path) -> None:
    store = project / ".dvc/domainlm-store"
    prepare({}, project)
    assert not store.exists()
    store.mkdir(parents=True)
    prepare({}, project)
    assert find_workspaces(store) == Workspaces((project,), ())


def test_dvc_is_held_to_its_list_of_dependencies(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, text = pipeline_text(project)
    (project / path).write_text(text.replace("artifacts/tiny/corpus_split/manifest.json", "elsewhere"))
    prepare({}, project)
    monkeypatch.setenv("DVC_STAGE", "pt_tokens")
    with pytest.raises(ConfigurationError, match="pt_tokens: deps lack artifacts/tiny/corpus_split"):
        prepare({}, project)
