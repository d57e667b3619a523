from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from material.projects import SOURCES, write_project
from typer.testing import CliRunner

from domainlm.builder.history import recorded_build
from domainlm.cli import application
from domainlm.config.errors import ConfigurationError
from domainlm.contract import Resources, StageError
from domainlm.pipeline.stamp import Stamp
from domainlm.store.local import Store
from domainlm.store.location import store_folder
from domainlm.upkeep.check import Checked, check, stamps_to_check
from domainlm.workflow.prepare import prepare

QUIET = Resources(log=lambda message: None)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Two shards of raw_corpus and documents, built and gathered."""
    corpus = {f"{n}.txt": f"a sentence of text {n}.\n" * 3 for n in range(8)}
    write_project(tmp_path, corpus, f"{SOURCES}raw_corpus: {{shards: 2}}\n")
    for artifact in ("raw_corpus", "documents"):
        for stamp in stamps_to_check(stamps_of(tmp_path), artifact, None):
            recorded_build(tmp_path, stamp, QUIET)
    return tmp_path


def stamps_of(project: Path) -> list[Stamp]:
    return list(prepare({}, project).stamps.values())


def checked(project: Path, artifact: str, shard: str | None = None) -> list[Checked]:
    return check(project, stamps_to_check(stamps_of(project), artifact, shard), QUIET, lambda line: None)


@pytest.fixture
def other_output(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on, raw_corpus's shards give other bytes: without the stance."""
    from domainlm.stages import raw_corpus

    monkeypatch.setattr(raw_corpus, "KEPT", [name for name in raw_corpus.KEPT if name != "stance"])


def installed(project: Path) -> dict[str, tuple[int, int, bytes]]:
    """Inode, time and bytes of every installed file."""
    files = [path for path in (project / "artifacts").rglob("*") if path.is_file()]
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def test_a_rebuild_that_gives_the_same_bytes(project: Path) -> None:
    before = installed(project)
    found = checked(project, "documents")
    assert [(row.name, row.alternative) for row in found] == [
        ("documents/0000", None),
        ("documents/0001", None),
        ("documents", None),
    ]
    assert installed(project) == before
    store = Store(store_folder(project))
    assert list((store.root / "tmp").iterdir()) == []
    assert list(store.root.glob("actions/*/*.alternative.*")) == []


def test_the_stage_really_runs(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from domainlm.stages import documents

    seen: list[Path] = []
    original = documents.run_shard

    def counted(inputs: Any, config: Any, out: Path, scratch: Path, resources: Any) -> Any:
        seen.append(scratch)
        return original(inputs, config, out, scratch, resources)

    monkeypatch.setattr(documents, "run_shard", counted)
    checked(project, "documents", "0001")
    assert len(seen) == 1
    # from the key's own scratch it would go on with what the first build left
    assert "check-" in str(seen[0])


@pytest.mark.usefixtures("other_output")
def test_another_output_is_named_recorded_and_not_installed(project: Path) -> None:
    before = installed(project)
    (found,) = checked(project, "raw_corpus", "0000")
    assert found.alternative is not None
    assert found.alternative.file == "inventory.jsonl"
    assert found.alternative.change == "line 1, key stance: only in the first"
    assert found.alternative.is_nondeterminism
    assert installed(project) == before
    store = Store(store_folder(project))
    recorded = store.actions.get(found.key)
    assert recorded is not None
    assert recorded[0].tree_digest == found.alternative.first
    assert [manifest.tree_digest for manifest, _ in store.actions.alternatives(found.key)] == [found.tree_digest]


@pytest.mark.usefixtures("other_output")
def test_another_platform_is_no_non_determinism(project: Path) -> None:
    store = Store(store_folder(project))
    for path in store.root.glob("actions/*/*.json"):
        row = json.loads(path.read_bytes())
        row["action_record"]["built"]["machine"] = "another"
        path.write_text(json.dumps(row))
    (found,) = checked(project, "raw_corpus", "0001")
    assert found.alternative is not None
    assert not found.alternative.is_nondeterminism
    assert found.alternative.platforms["machine"][0] == "another"


def test_what_is_not_built_and_what_is_not_there(project: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no shard '0007' of documents; expected one of: 0000, 0001"):
        checked(project, "documents", "0007")
    with pytest.raises(ConfigurationError, match=r"expected one of: none, corpus_split is not sharded"):
        checked(project, "corpus_split", "0000")
    store = Store(store_folder(project))
    subprocess.run(["rm", "-rf", str(store.root / "actions")], check=True)
    with pytest.raises(
        StageError,
        match=r"artifacts/tiny/documents/0000 is not built with the present .*snakemake --cores all documents",
    ):
        checked(project, "documents")


class TestCommand:
    def run(self, project: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, Any]:
        monkeypatch.chdir(project)
        done = CliRunner().invoke(application, [*arguments, "--json"])
        return done.exit_code, json.loads(done.stdout) if done.stdout.startswith("{") else done.stderr

    def test_equal(self, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        code, answer = self.run(project, monkeypatch, "check", "documents", "--shard", "0000", "--threads", "1")
        assert code == 0
        assert answer["is_equal"]

    @pytest.mark.usefixtures("other_output")
    def test_different(self, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        code, answer = self.run(project, monkeypatch, "check", "raw_corpus", "--threads", "1")
        assert code == 1
        kinds = [row["alternative"] and row["alternative"]["kind"] for row in answer["checked"]]
        # the gathering itself is sound: it is made of what is installed
        assert kinds == ["non-determinism", "non-determinism", None]

    def test_wrong_shard(self, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.run(project, monkeypatch, "check", "documents", "--shard", "9")[0] == 2


class TestBuild:
    """The same comparison when a build runs a stage whose key already has an output."""

    def rebuild(self, project: Path) -> dict[str, Any]:
        """Lose the first shard's bytes, build it again; the line of that build."""
        stamp = stamps_to_check(stamps_of(project), "raw_corpus", "0000")[0]
        subprocess.run(["rm", "-rf", str(project / "artifacts"), str(store_folder(project) / "objects")], check=True)
        recorded_build(project, stamp, QUIET)
        rows = (project / ".domainlm/builds.jsonl").read_text().splitlines()
        row: dict[str, Any] = json.loads(rows[-1])
        return row

    def test_the_same_bytes_are_no_news(self, project: Path) -> None:
        row = self.rebuild(project)
        assert row["outcome"] == "built"
        assert "alternative" not in row

    @pytest.mark.usefixtures("other_output")
    def test_other_bytes_are_reported_once_and_then_restored(self, project: Path) -> None:
        row = self.rebuild(project)
        assert row["outcome"] == "built"
        assert row["alternative"]["kind"] == "non-determinism"
        assert row["alternative"]["file"] == "inventory.jsonl"
        assert row["alternative"]["second"] == row["tree_digest"] != row["alternative"]["first"]
        # the first output's bytes are gone for good: its alternative is better than a third build
        subprocess.run(["rm", "-rf", str(project / "artifacts")], check=True)
        stamp = stamps_to_check(stamps_of(project), "raw_corpus", "0000")[0]
        assert recorded_build(project, stamp, QUIET).outcome == "restored"
        record = json.loads((project / stamp.folder / "action.json").read_bytes())
        assert record["built"]["system"] == os.uname().sysname.lower()

    def test_the_alternative_s_own_record_is_installed_with_it(
        self, project: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("domainlm.builder.run_stage.where_built", lambda *_: {"machine": "another"})
        self.rebuild(project)
        record = json.loads((project / "artifacts/tiny/raw_corpus/0000/action.json").read_bytes())
        # equal bytes: the first output's record stays with them
        assert record["built"]["machine"] != "another"
