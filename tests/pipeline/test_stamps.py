from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from material.projects import write_project

from domainlm.config.domain import DomainConfig
from domainlm.config.errors import ConfigurationError
from domainlm.config.sources import Source
from domainlm.pipeline.places import stamp_path
from domainlm.pipeline.stamp import Stamp, action_of
from domainlm.pipeline.stamps import locked_versions, make_stamps, write_stamps
from domainlm.pipeline.table import STAGES
from domainlm.store.actions import action_key


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with the real lock files and a corpus of two files."""
    return write_project(tmp_path, {"a.txt": "a text", "b.txt": "b text"})


def config(**values: Any) -> DomainConfig:
    sources = {"x": {"role": "corpus", "local": "corpus"}, "m": {"role": "base_model", "local": "model"}}
    return DomainConfig.model_validate({"domain": "tiny", "sources": sources, **values})


def by_name(stamps: list[Stamp]) -> dict[tuple[str, str | None], Stamp]:
    return {(stamp.artifact, stamp.shard): stamp for stamp in stamps}


def test_one_stamp_per_artifact_and_shard(project: Path) -> None:
    stamps = by_name(make_stamps(project, config(raw_corpus={"shards": 3})))
    sharded = [stage.name for stage in STAGES if stage.is_sharded]
    expected = {(stage.name, None) for stage in STAGES}
    expected |= {(name, shard) for name in sharded for shard in ("0000", "0001", "0002")}
    assert set(stamps) == expected


def test_a_shard_reads_its_own_shard_and_the_whole_reads_its_shards(project: Path) -> None:
    stamps = by_name(make_stamps(project, config()))
    assert stamps["documents", "0001"].inputs == {"raw_corpus": "artifacts/tiny/raw_corpus/0001"}
    assert stamps["documents", None].inputs == {
        "0000": "artifacts/tiny/documents/0000",
        "0001": "artifacts/tiny/documents/0001",
    }
    assert stamps["documents", None].is_gather
    # an error of the whole artifact names the knob and its value
    assert stamps["clean_shards", None].config["section"]["min_chars"] == DomainConfig().clean_shards.min_chars
    assert stamps["unique_shards", None].inputs == {"clean_shards": "artifacts/tiny/clean_shards"}


@pytest.mark.parametrize(
    ("relay", "inputs"),
    [
        ("merge", {"sft_tokens", "merged_model"}),
        ("continue", {"sft_tokens", "base_model", "pt_adapter"}),
        ("none", {"sft_tokens", "base_model"}),
        ("instruct_residual", {"sft_tokens", "instruct_residual"}),
    ],
)
def test_the_relay_decides_what_sft_starts_from(project: Path, relay: str, inputs: set[str]) -> None:
    settings = config(sft_adapter={"relay": relay})
    # a role that is given, whether or not the relay asks for it
    pair = {**settings.sources, "chat": Source(role="instruct_model", local="model")}
    stamps = by_name(make_stamps(project, settings.model_copy(update={"sources": pair})))
    assert set(stamps["sft_adapter", None].inputs) == inputs
    assert (relay == "instruct_residual") == ("files" in stamps["instruct_model", None].config)
    report = set(stamps["eval_report", None].inputs)
    is_merged = relay in ("merge", "instruct_residual")
    assert ("pt_adapter" in report, "merged_model" in report) == (relay != "none", is_merged)
    is_residual = relay == "instruct_residual"
    assert ({"instruct_model", "instruct_residual"} <= report) == is_residual
    chat = "instruct_model" if is_residual else "base_model"
    assert set(stamps["sft_tokens", None].inputs) == {"sft_dataset", chat}
    assert stamps["sft_tokens", None].config["chat"] == chat
    assert stamps["base_model", None].config["is_chat_form"] != is_residual


def test_compared_domains_are_inputs(project: Path) -> None:
    stamps = by_name(make_stamps(project, config(eval_results={"compare": ["other"]})))
    assert stamps["eval_results", None].inputs["compare:other"] == "artifacts/other/eval_results"


def test_defaults_are_written_out(project: Path) -> None:
    written = config(pt_adapter={"rank": DomainConfig().pt_adapter.rank})
    assert make_stamps(project, config()) == make_stamps(project, written)


def test_versions_are_the_locked_public_ones(tmp_path: Path) -> None:
    (tmp_path / "envs").mkdir()
    (tmp_path / "envs/cpu.lock").write_text(
        "# a comment\nLm_Eval==0.4.13 \\\n    --hash=sha256:00\npip==1 ; python_version<'4'\n"
    )
    (tmp_path / "envs/torch.lock").write_text("torch==2.13.0+cpu\n")
    assert locked_versions(tmp_path) == {"lm-eval": "0.4.13", "pip": "1", "torch": "2.13.0"}


def test_a_distribution_without_a_lock_is_named(tmp_path: Path, project: Path) -> None:
    (project / "envs").unlink()
    (project / "envs").mkdir()
    (project / "envs/cpu.lock").write_text("pyarrow==1\n")
    (project / "envs/torch.lock").write_text("")
    with pytest.raises(ConfigurationError, match=r"no version of \[.*'torch'.*base_model"):
        make_stamps(project, config())


def test_only_what_changed_is_written(project: Path) -> None:
    stamps = make_stamps(project, config())
    write_stamps(project, stamps)
    folder = project / ".domainlm/stamps/tiny"
    inodes = {path.name: path.stat().st_ino for path in folder.iterdir()}
    write_stamps(project, stamps)
    assert {path.name: path.stat().st_ino for path in folder.iterdir()} == inodes
    write_stamps(project, make_stamps(project, config(clean_shards={"min_chars": 7})))
    rewritten = {path.name for path in folder.iterdir() if path.stat().st_ino != inodes[path.name]}
    assert rewritten <= {"clean_shards.0000.json", "clean_shards.0001.json", "clean_shards.json"}
    assert json.loads((folder / "clean_shards.0000.json").read_text())["config"]["section"]["min_chars"] == 7


def test_a_stamp_that_only_looks_equal_is_written(project: Path) -> None:
    write_stamps(project, make_stamps(project, config(clean_shards={"min_chars": 7})))
    path = project / stamp_path("tiny", "clean_shards", "0000")
    data = path.read_bytes()
    # equal as numbers, another action key
    path.write_bytes(data.replace(b'"min_chars": 7', b'"min_chars": 7.0'))
    write_stamps(project, make_stamps(project, config(clean_shards={"min_chars": 7})))
    assert path.read_bytes() == data
    path.write_bytes(data[:-9])
    write_stamps(project, make_stamps(project, config(clean_shards={"min_chars": 7})))
    assert path.read_bytes() == data


def test_stamps_of_shards_that_are_no_more_are_removed(project: Path) -> None:
    write_stamps(project, make_stamps(project, config(raw_corpus={"shards": 3})))
    assert (project / stamp_path("tiny", "documents", "0002")).exists()
    write_stamps(project, make_stamps(project, config(raw_corpus={"shards": 2})))
    assert not (project / stamp_path("tiny", "documents", "0002")).exists()
    assert (project / stamp_path("tiny", "documents", "0001")).exists()


def test_another_domain_s_stamps_stay(project: Path) -> None:
    write_stamps(project, make_stamps(project, config()))
    write_stamps(project, make_stamps(project, config(domain="other")))
    assert (project / stamp_path("tiny", "documents")).exists()


def test_a_stamp_comes_back_from_its_file(project: Path) -> None:
    stamps = make_stamps(project, config())
    write_stamps(project, stamps)
    for stamp in stamps:
        read = Stamp(**json.loads((project / stamp_path("tiny", stamp.artifact, stamp.shard)).read_text()))
        assert read == stamp
        assert action_key(action_of(read, {})) == action_key(action_of(stamp, {}))


def test_shards_and_whole_artifacts_never_share_a_key(project: Path) -> None:
    stamps = make_stamps(project, config())
    keys = [action_key(action_of(stamp, {})) for stamp in stamps if stamp.artifact == "raw_corpus"]
    assert len(set(keys)) == 3


def test_where_things_lie_is_not_in_the_key(project: Path) -> None:
    for stamp in make_stamps(project, config()):
        text = json.dumps(action_of(stamp, {}))
        assert str(project) not in text
        assert "artifacts/" not in text


def test_a_project_that_holds_the_package_is_run_by_no_other(project: Path, repository: Path) -> None:
    make_stamps(project, config())
    (project / "domainlm").symlink_to(repository / "domainlm")
    make_stamps(project, config())
    (project / "domainlm").unlink()
    (project / "domainlm/pipeline").mkdir(parents=True)
    (project / "domainlm/pipeline/code.py").write_text("")
    with pytest.raises(ConfigurationError, match="holds its own domainlm/"):
        make_stamps(project, config())
