from __future__ import annotations

import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from rich.console import Console

from domainlm.builder.hollow import mark_hollow
from domainlm.config.errors import ConfigurationError
from domainlm.config.resolve import resolve
from domainlm.contract import StageError
from domainlm.explain.fates import Fate
from domainlm.explain.trace import Trace, make_trace
from domainlm.explain.trace_words import fate_in_words, render
from domainlm.store.install import read_record
from domainlm.store.manifest import MANIFEST_NAME, make_manifest
from domainlm.text.document import read_documents, write_documents
from domainlm.text.split import SPLITS

GBK_NAME = "web/说明.txt".encode("gbk")
PROSE = "The lung is an organ of the chest and it takes up oxygen from the air that we breathe in."
FILES = {
    "web/good.md": f"# Lung\n\n{PROSE}\n\n# Heart\n\nshort\n",
    "web/good.md.txt": "Another file. " + PROSE.replace("lung", "spleen"),
    "web/same.txt": f"Lung\n\n{PROSE}\n",
    "web/secret.txt": "Only for us. " + PROSE,
    "web/broken.jsonl": json.dumps({"text": PROSE.replace("lung", "gill")}) + "\n{broken\n",
    "web/.hidden.txt": "hidden",
    "web/draft.txt": "a draft",
    "web/empty.txt": "",
    "elsewhere.txt": "elsewhere",
}
CONFIG = """\
domain: tiny
sources:
  x: {role: corpus, local: corpus, licence: CC0-1.0}
  web:
    role: corpus
    local: web
    stance: neutral
    exclude: ["draft*"]
    labels: [{pattern: "secret*", stance: internal}]
  one: {role: corpus, local: one.zip}
  saved: {role: corpus, local: saved}
  m: {role: base_model, local: model}
policy:
  - {where: {stance: internal}, use: []}
  - {use: [pt, sft]}
corpus_split: {replay_share: 0.0}
"""


def write(root: Path) -> None:
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    (root / os.fsdecode(GBK_NAME)).write_text(PROSE.replace("lung", "liver"), encoding="utf-8")
    (root / "web/binary.txt").write_bytes(b"\x00\x01\x02" * 99)
    with zipfile.ZipFile(root / "one.zip", "w") as archive:
        archive.writestr("in/page.txt", PROSE.replace("lung", "brain"))
    table = pa.table({"text": [PROSE.replace("lung", "thymus")]})
    (root / "saved").mkdir()
    with pa.ipc.new_stream(root / "saved/data.arrow", table.schema) as writer:
        writer.write_table(table)
    (root / "saved/state.json").write_text('{"_data_files": [{"filename": "data.arrow"}]}', encoding="utf-8")
    (root / "saved/dataset_info.json").write_text("{}", encoding="utf-8")
    (root / "saved/notes.txt").write_text(PROSE, encoding="utf-8")
    with zipfile.ZipFile(root / "web/more.zip", "w") as archive:
        archive.writestr("inner/page.txt", PROSE.replace("lung", "kidney"))
        archive.writestr("../escape.txt", PROSE)
    (root / "config/config.yaml").write_text(CONFIG, encoding="utf-8")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, make_text_project: Callable[[Path], Any]) -> Path:
    project = make_text_project(tmp_path_factory.mktemp("trace") / "project")
    write(project.path)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DOMAINLM_STORE", raising=False)
        project.build()
    return Path(project.path)


def traced(project: Path, name: str) -> Trace:
    sources = resolve(project, {}).sources
    return make_trace(project, "tiny", name, {key: each.local for key, each in sources.items() if each.local})


def fates(trace: Trace) -> list[Fate]:
    return [piece.fate for file in trace.files for piece in file.pieces]


def printed(trace: Trace) -> str:
    stream = io.StringIO()
    Console(width=300, file=stream).print(render(trace))
    return stream.getvalue()


def test_every_piece_of_a_file_has_its_fate(built: Path) -> None:
    trace = traced(built, "web/good.md")
    [file] = trace.files
    assert (file.source, file.path, file.is_changed, file.refused) == ("web", "good.md", False, ())
    assert file.facts.items() >= {"role": "corpus", "format": "md", "stance": "neutral"}.items()
    found = {piece.section: piece.fate for piece in file.pieces}
    assert found["Heart"] == Fate("clean_shards", "rejected", "min_chars", 12, 40)
    assert found["Lung"] == Fate("unique_shards", "kept")
    assert "rejected by clean_shards: min_chars (threshold 40)" in printed(trace)
    assert "value 12" in printed(trace)
    assert "web/good.md in tiny: 1 file; 1 kept, 1 rejected" in printed(trace)


def test_the_rule_that_kept_it_out_is_named(built: Path) -> None:
    [repeat] = fates(traced(built, "web/same.txt"))
    assert (repeat.stage, repeat.outcome, repeat.reason) == ("unique_shards", "rejected", "exact_duplicates")
    assert (repeat.value, repeat.threshold) == (1, 1)
    assert repeat.detail.startswith("repeats web: good.md Lung (id ")
    [policy] = fates(traced(built, "web:secret.txt"))
    assert (policy.stage, policy.reason, policy.value) == ("clean_shards", "policy", 1)
    assert policy.detail == "rule 1: where stance is internal: use nothing"
    # the number of the rule is in the detail, and is no measure
    assert "(whole file); bytes 0-102; rule 1: where" in printed(traced(built, "web:secret.txt"))


@pytest.mark.parametrize(("name", "reason"), [("binary.txt", "binary"), ("empty.txt", "empty")])
def test_a_file_that_gave_nothing_has_its_reason(built: Path, name: str, reason: str) -> None:
    [file] = traced(built, f"web/{name}").files
    assert [fate.reason for fate in file.refused] == [reason]
    assert file.refused[0].detail
    assert file.pieces == ()


def test_a_record_that_could_not_be_read_is_beside_those_that_could(built: Path) -> None:
    [file] = traced(built, "broken.jsonl").files
    assert [fate.reason for fate in file.refused] == ["invalid_json"]
    assert [piece.fate.outcome for piece in file.pieces] == ["kept"]


def test_an_archive_and_a_folder_stand_for_what_is_in_them(built: Path) -> None:
    archive = traced(built, "web/more.zip")
    found = {file.path: file for file in archive.files}
    assert [fate.outcome for fate in fates(archive)] == ["kept"]
    [refused] = [fate for file in archive.files for fate in file.refused]
    assert refused.stage == "raw_corpus"
    assert all(path.startswith("more.zip") for path in found)
    folder = traced(built, "web")
    assert {file.path for file in folder.files} > {*found, "good.md", "same.txt"}
    assert {file.source for file in folder.files} == {"web"}


def test_a_source_that_is_one_archive(built: Path) -> None:
    [file] = traced(built, "one.zip").files
    assert (file.source, file.path) == ("one", "in/page.txt")
    assert [fate.outcome for fate in fates(traced(built, "one.zip"))] == ["kept"]
    for name in ("one.zip/in/page.txt", "one:in/page.txt", "one.zip/in"):
        assert traced(built, name).files == (file,)


def test_however_a_file_is_named(built: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(built)
    files = traced(built, "web/good.md").files
    for name in ("./web//good.md", "web/../web/good.md", str(built / "web/good.md"), f"{tmp_path}/link/web/good.md"):
        assert traced(built, name).files == files
    # and what is beside a data file of a dataset does not hide that one
    assert [file.path for file in traced(built, "saved/data.arrow").files] == ["data.arrow"]
    assert {file.path for file in traced(built, "saved").files} == {"data.arrow"}


def test_a_file_whose_name_is_not_utf_8(built: Path) -> None:
    [file] = traced(built, os.fsdecode(GBK_NAME)).files
    assert (file.path, file.is_changed) == ("说明.txt", False)
    assert file == traced(built, "web/说明.txt").files[0]
    assert "说明.txt" in printed(traced(built, os.fsdecode(GBK_NAME)))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("web/.hidden.txt", "source web: hidden"),
        ("web/draft.txt", "source web: excluded by the pattern 'draft*'"),
        ("web:draft.txt", "source web: excluded by the pattern 'draft*'"),
        ("elsewhere.txt", "it lies in no source of the domain; local sources: x (corpus), web (web), one (one.zip)"),
        ("web/../web/.hidden.txt", "source web: hidden"),
        ("saved/notes.txt", "source saved: of a dataset that was saved to disk, only the data files"),
    ],
)
def test_why_no_inventory_lists_it(built: Path, name: str, reason: str) -> None:
    trace = traced(built, name)
    assert trace.files == ()
    assert trace.reason is not None
    assert trace.reason.startswith(reason)
    assert reason in printed(trace)


def test_a_misspelt_name_is_an_error_with_the_nearest(built: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"web/goood\.md: no such file.*did you mean 'good\.md'\?"):
        traced(built, "web/goood.md")


def test_what_changed_since_the_build_is_said(built: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(built, project, symlinks=True)
    (project / "web/good.md").write_text("other", encoding="utf-8")
    (project / "web/new.txt").write_text(PROSE, encoding="utf-8")
    trace = traced(project, "web/good.md")
    assert trace.files[0].is_changed
    assert "has changed since the build" in printed(trace)
    assert "not in the inventory of the last build" in str(traced(project, "web/new.txt").reason)
    # artifacts of different versions: said, not guessed
    parquet = project / "artifacts/tiny/unique_shards/documents.parquet"
    others = [document for document in read_documents(parquet) if document.path != "good.md"]
    parquet.unlink()
    write_documents(parquet, others)
    outcomes = {fate.outcome for fate in fates(traced(project, "web/good.md"))}
    assert outcomes == {"rejected", "unknown"}


def test_how_much_of_a_file_was_read(built: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(built, project, symlinks=True)
    assert traced(project, "web/good.md").files[0].coverage == {}
    path = sorted(project.glob("artifacts/tiny/documents/[0-9]*/coverage.jsonl"))[0]
    path.unlink()
    figures = {"shown": 1000, "kept": 900, "removed": 60, "lost": 40}
    path.write_text(json.dumps({"source": "web", "path": "good.md", **figures}) + "\n", encoding="utf-8")
    trace = traced(project, "web/good.md")
    assert trace.files[0].coverage == figures
    said = "of 1000 visible characters 90.0 % read, 6.0 % left out as navigation, 4.0 % outside the main content"
    assert said in printed(trace)
    assert "visible characters" not in printed(traced(project, "web/same.txt"))


def test_what_is_not_here_is_named_with_the_fix(built: Path, text_project: Any) -> None:
    with pytest.raises(StageError, match=r"raw_corpus of tiny is not built here.*snakemake --cores all raw_corpus"):
        traced(text_project.path, "corpus/0.txt")
    assert traced(built, "web").notes == (
        "corpus_split and the stages after it are not built here; build them: snakemake --cores all corpus_split --config domain=tiny",
    )


def test_where_a_piece_ended(built: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(built, project, symlinks=True)
    documents = {d.path: d for d in read_documents(project / "artifacts/tiny/unique_shards/documents.parquet")}
    good, broken = documents["good.md"], documents["broken.jsonl"]
    for name, files in {
        "corpus_split": {"left_out.jsonl": [{"id": broken.id, "reason": "over_budget"}]},
        "sft_dataset": {"train.jsonl": [{"document": good.id}] * 2, "test.jsonl": [{"document": "other"}]},
        "sft_tokens": {"rejected.jsonl": [{"document": d, "reason": "longer_than_row"} for d in (good.id, "other")]},
    }.items():
        folder = project / "artifacts/tiny" / name
        folder.mkdir()
        for file, rows in files.items():
            (folder / file).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        (folder / MANIFEST_NAME).write_bytes(make_manifest([]).to_bytes())
    for split in SPLITS:
        write_documents(project / f"artifacts/tiny/corpus_split/{split}.parquet", [good] if split == "train" else [])
    [train] = [piece for piece in traced(project, "web/good.md").files[0].pieces if piece.section == "Lung"]
    assert train.fate == Fate("corpus_split", "train")
    assert (train.use, dict(train.questions)) == ("pt,sft", {"train": 2})
    assert train.not_learned == {"longer_than_row": 1}
    assert fates(traced(project, "broken.jsonl")) == [Fate("corpus_split", "left_out", "over_budget")]
    # in the archive: neither in a split nor left out
    assert [fate.outcome for fate in fates(traced(project, "web/more.zip"))] == ["unknown"]
    assert "questions: 2 in train; rejected by sft_tokens: 1 longer_than_row" in printed(traced(project, "web/good.md"))


def test_hollow_artifacts_are_filled_first(built: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(built, project, symlinks=True)
    folder = "artifacts/tiny/clean_shards/0001"
    record = read_record(project / folder)
    assert record is not None
    mark_hollow(project, folder, record["key"])
    (project / folder / "documents.parquet").unlink()
    with pytest.raises(StageError, match=r"clean_shards/0001 is hollow.*fill it: snakemake"):
        traced(project, "web/good.md")


def test_json_is_complete_and_fates_are_words(built: Path) -> None:
    found = json.loads(json.dumps(traced(built, "web/good.md").as_json()))
    assert {piece["fate"]["outcome"] for piece in found["files"][0]["pieces"]} == {"kept", "rejected"}
    assert fate_in_words(Fate("corpus_split", "train")) == "in train"
    assert fate_in_words(Fate("corpus_split", "left_out", "over_budget")) == "excluded by corpus_split: over_budget"
