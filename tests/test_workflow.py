from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from domainlm.dvc import pipeline_text
from domainlm.resolve import ConfigurationError
from domainlm.stamps import action_of, installed_note
from domainlm.store.actions import action_key, make_action
from domainlm.store.canonical import sha256_of_file
from domainlm.store.install import install as store_install
from domainlm.store.local import Store
from domainlm.store.location import store_folder
from domainlm.store.objects import expected_mtime_ns
from domainlm.store.roots import Workspaces, find_workspaces
from domainlm.workflow import Workflow, build_command, prepare

CONFIG = """\
domain: tiny
sources:
  x: {role: corpus, local: corpus}
  m: {role: base_model, local: model}
corpus_split: {replay_share: 0.0}
"""
ACTION = make_action("raw_corpus", "c" * 64, {}, {}, {})


@pytest.fixture
def project(tmp_path: Path, repository: Path) -> Path:
    (tmp_path / "envs").symlink_to(repository / "envs")
    for name, text in {"corpus/a.txt": "a", "model/config.json": "{}", "config/config.yaml": CONFIG}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


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
    assert workflow.stamp("documents", "0001") == ".domainlm/stamps/tiny/documents.0001.json"
    assert workflow.inputs("documents", "0001") == ["artifacts/tiny/raw_corpus/0001/manifest.json"]
    assert workflow.inputs("raw_corpus", "0001") == []
    assert workflow.log("documents", "0001") == "logs/tiny/documents/0001.log"
    assert workflow.log("pt_adapter") == "logs/tiny/pt_adapter.log"
    assert workflow.shards == ["0000", "0001"]
    assert (project / workflow.stamp("pt_adapter")).exists()


def test_compared_results_must_be_built(project: Path) -> None:
    workflow = prepare({"eval_results": {"compare": ["other"]}}, project)
    with pytest.raises(ConfigurationError, match=r"names 'other'.*--config domain=other"):
        workflow.inputs("eval_results")
    (project / "artifacts/other/eval_results").mkdir(parents=True)
    (project / "artifacts/other/eval_results/manifest.json").write_text("{}")
    assert "artifacts/other/eval_results/manifest.json" in workflow.inputs("eval_results")


def test_what_is_installed_as_asked_for_stays(project: Path) -> None:
    workflow = prepare({}, project)
    manifests = [install(workflow, "corpus_split"), install(workflow, "base_model"), install(workflow, "pt_tokens")]
    before = [path.stat().st_mtime_ns for path in manifests]
    prepare({}, project)
    assert [path.stat().st_mtime_ns for path in manifests] == before


@pytest.mark.parametrize("age_seconds", [-1000, 1000])
def test_another_version_s_bytes_are_retired_whatever_their_time(project: Path, age_seconds: int) -> None:
    other = prepare({"sft_dataset": {"max_documents": 3}}, project)
    install(other, "corpus_split")
    manifest = install(other, "sft_dataset")
    # a dvc checkout of the other version, under this configuration
    moment = manifest.stat().st_mtime + age_seconds
    os.utime(manifest, (moment, moment))
    prepare({}, project)
    assert not manifest.exists()


def test_what_a_build_installed_is_left_to_snakemake(project: Path) -> None:
    other = prepare({"sft_dataset": {"max_documents": 3}}, project)
    install(other, "corpus_split")
    manifest = install(other, "sft_dataset")
    note = installed_note(project, other.stamps["sft_dataset", None])
    note.parent.mkdir(parents=True)
    note.write_text(json.loads(manifest.with_name("action.json").read_text())["key"])
    prepare({}, project)
    assert manifest.exists()
    # the note is of another build: something else put this version here
    note.write_text("0" * 64)
    prepare({}, project)
    assert not manifest.exists()


def test_so_is_what_was_built_from_other_inputs(project: Path) -> None:
    workflow = prepare({}, project)
    upstream, manifest = install(workflow, "corpus_split"), install(workflow, "sft_dataset")
    upstream.write_text('{"files": []}')
    os.utime(upstream, (1, 1))
    prepare({}, project)
    assert not manifest.exists()
    assert upstream.exists()


def install_whole(workflow: Workflow, artifact: str, shard: str | None = None) -> Path:
    """A real artifact of one file; returns the file."""
    store = Store(store_folder(workflow.project))
    with store.temporary("test") as folder:
        (folder / "file").write_text(f"{artifact} {shard}")
        manifest = store.commit(folder)
    stamp = workflow.stamps[artifact, shard]
    target = workflow.project / stamp.folder
    note = installed_note(workflow.project, stamp)
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text("k")
    store_install(target, manifest, {"key": "k", "action": ACTION}, store.objects)
    return target / "file"


@pytest.mark.parametrize("damage", ["written", "removed", "manifest", "action"])
def test_damage_names_the_rules_to_run_as_far_as_a_target_needs_them(project: Path, damage: str) -> None:
    workflow = prepare({}, project)
    shard = install_whole(workflow, "documents", "0001")
    install_whole(workflow, "documents", "0000")
    install_whole(workflow, "base_model")
    assert prepare({}, project).damaged == ()
    if damage == "written":
        shard.chmod(0o644)
        shard.write_text("other")
    elif damage == "removed":
        shard.unlink()
    else:
        (shard.parent / f"{damage}.json").write_text("{")
    expected = (workflow.manifest("documents", "0001"),)
    for targets in ([], ["all"], ["clean_shards"], [workflow.manifest("clean_shards")], expected):
        assert prepare({}, project, targets=targets).damaged == expected
    for targets in (["base_model"], [workflow.manifest("documents", "0000")]):
        assert prepare({}, project, targets=targets).damaged == ()
    # a look changes nothing: after a dry run, or a kill, the damage still shows
    assert (shard.parent / "manifest.json").exists()


def test_touched_is_not_damaged(project: Path) -> None:
    workflow = prepare({}, project)
    os.utime(install_whole(workflow, "documents", "0001"))
    assert prepare({}, project).damaged == ()


def test_a_fetched_file_that_was_written_to_is_damage_of_raw_corpus(project: Path) -> None:
    (project / "config/config.yaml").write_text(
        CONFIG.replace("  m:", f"  f: {{role: corpus, fetch: {{package: p, version: '1', sha256: {'a' * 64}}}}}\n  m:")
    )
    workflow = prepare({}, project)
    install_whole(workflow, "raw_corpus", "0001")
    fetched = Store(store_folder(project)).objects.path("a" * 64)
    fetched.parent.mkdir(parents=True, exist_ok=True)
    fetched.write_text("x")
    os.utime(fetched, ns=(expected_mtime_ns("a" * 64),) * 2)
    assert prepare({}, project).damaged == ()
    os.utime(fetched)
    assert prepare({}, project).damaged == (workflow.manifest("raw_corpus", "0001"),)


def test_only_the_main_process_writes(project: Path) -> None:
    prepare({}, project, is_main_process=False)
    assert not (project / ".domainlm/stamps").exists()
    workflow = prepare({}, project)
    (project / workflow.stamp("sft_dataset")).write_text("{}")
    prepare({}, project, is_main_process=False)
    assert (project / workflow.stamp("sft_dataset")).read_text() == "{}"


def test_a_job_goes_by_what_was_resolved_when_it_was_submitted(project: Path) -> None:
    submitted = prepare({"sft_adapter": {"relay": "merge"}}, project)
    job = prepare({"sft_adapter": {"relay": "none"}}, project, is_main_process=False)
    for name in ("sft_adapter", "eval_results", "raw_corpus"):
        assert sorted(job.inputs(name)) == sorted(submitted.inputs(name))
    assert "artifacts/tiny/merged_model/manifest.json" in job.inputs("sft_adapter")


def test_a_missing_source_is_an_error_before_any_stamp(project: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"sources\.x\.local: nowhere does not exist"):
        prepare({"sources": {"x": {"local": "nowhere"}}}, project)
    assert not (project / ".domainlm/stamps").exists()


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
