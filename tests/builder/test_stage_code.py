from __future__ import annotations

import dataclasses
import hashlib
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field, create_model, field_serializer, field_validator

from domainlm import loading
from domainlm.builder.stage_code import StageCode, load_code, running, typed_slice
from domainlm.config.pretraining import PtTokens
from domainlm.config.section import Slice
from domainlm.contract import StageError
from domainlm.loading import RAN, CodeError, Source
from domainlm.pipeline.slices import slice_type
from domainlm.pipeline.stamp import Stamp
from domainlm.store.local import Store


@pytest.fixture
def stamps(text_project: Any) -> dict[str, Stamp]:
    return {stamp.artifact: stamp for stamp in text_project.stamps() if stamp.shard in (None, "0000")}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def load(text_project: Any, stamp: Stamp, store: Store) -> StageCode:
    return load_code(text_project.path, stamp, store)


def test_what_may_be_loaded_is_what_ran_and_what_was_digested(
    text_project: Any, stamps: dict[str, Stamp], store: Store
) -> None:
    code = load(text_project, stamps["documents"], store)
    assert code.module.__name__ == "domainlm.stages.documents"
    assert {"domainlm", "domainlm.loading", "domainlm.config.text", "domainlm.text.reading.pdf"} <= set(code.sources)
    for name, (_, source) in RAN.items():
        assert code.sources[name] == hashlib.sha256(source).hexdigest()


def test_another_digest_than_that_of_what_ran_is_refused(
    text_project: Any, stamps: dict[str, Stamp], store: Store
) -> None:
    stamp = dataclasses.replace(stamps["documents"], code_digest="0" * 64)
    with pytest.raises(StageError, match="edited since this run began"):
        load(text_project, stamp, store)


def test_what_ran_counts_although_the_file_holds_the_digested_source(
    text_project: Any, stamps: dict[str, Stamp], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an edit that was put back between the import and the comparison."""
    path, source = RAN["domainlm.raw.segments"]
    monkeypatch.setitem(RAN, "domainlm.raw.segments", Source(path, source + b"\nEXTRA = 1\n"))
    with pytest.raises(StageError, match="edited since this run began"):
        load(text_project, stamps["raw_corpus"], store)
    # a comment is no other code
    monkeypatch.setitem(RAN, "domainlm.raw.segments", Source(path, source + b"\n# a comment\n"))
    load(text_project, stamps["raw_corpus"], store)


def test_a_module_that_something_else_loaded_is_refused(
    text_project: Any, stamps: dict[str, Stamp], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(text_project, stamps["raw_corpus"], store)
    monkeypatch.delitem(RAN, "domainlm.raw.segments")
    with pytest.raises(StageError, match=r"segments was run from something that is no source file"):
        load(text_project, stamps["raw_corpus"], store)


def test_a_module_of_another_place_is_refused(
    text_project: Any, stamps: dict[str, Stamp], store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    load(text_project, stamps["raw_corpus"], store)
    source = RAN["domainlm.raw.segments"].source
    monkeypatch.setitem(RAN, "domainlm.raw.segments", Source(str(tmp_path / "segments.py"), source))
    with pytest.raises(StageError, match=r"tmp.*/segments\.py, but the code digest is of"):
        load(text_project, stamps["raw_corpus"], store)


@pytest.mark.parametrize("name", ["domainlm", "domainlm.loading"])
def test_stale_bytecode_of_what_python_itself_loads_is_refused(
    name: str, text_project: Any, stamps: dict[str, Stamp], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(loading._by_python, name, compile("SIZE = 3\n", RAN[name].path, "exec"))
    with pytest.raises(StageError, match="loaded from bytecode of other code"):
        load(text_project, stamps["raw_corpus"], store)


def test_every_section_is_made_of_its_slice_once_more(stamps: dict[str, Stamp]) -> None:
    # without a source of role instruct_model, that stage has no slice
    made = [stamp for stamp in stamps.values() if stamp.artifact != "instruct_model"]
    assert len(made) == 16
    for stamp in made:
        typed_slice(stamp, stamp.config)


@pytest.mark.parametrize(
    "section",
    [
        {"max_archive_depth": 3},
        {"sequence_length": 512, "extra": 1},
        {"sequence_length": "512"},
        {"sequence_length": 1},
    ],
)
def test_a_slice_that_the_models_would_make_something_else_of_is_refused(
    stamps: dict[str, Stamp], section: dict[str, Any]
) -> None:
    typed_slice(stamps["pt_tokens"], stamps["pt_tokens"].config)
    stamp = dataclasses.replace(stamps["pt_tokens"], config={"section": section})
    with pytest.raises(StageError, match="domainlm/config was edited since the stamp of pt_tokens was written"):
        typed_slice(stamp, stamp.config)


def test_a_default_that_is_not_in_the_slice_is_refused(stamps: dict[str, Stamp]) -> None:
    """A knob that is newer than the stamp: its default would be in the result, and not in the key."""
    section = dict(stamps["documents"].config["section"])
    del section["max_seconds"]
    with pytest.raises(StageError, match="something else than the action key has"):
        typed_slice(stamps["documents"], {"section": section})


def test_rows_that_the_models_change_are_refused(stamps: dict[str, Stamp], monkeypatch: pytest.MonkeyPatch) -> None:
    stamp = stamps["base_model"]

    def halved(artifact: str, values: dict[str, Any], is_shard: bool = False) -> Any:
        found = slice_type(artifact, is_shard).model_validate(values)
        return found.model_copy(update={"files": [*found.files, {"path": "another"}]})  # type: ignore[attr-defined]

    assert typed_slice(stamp, stamp.config)
    monkeypatch.setattr("domainlm.pipeline.slices.parse_slice", halved)
    with pytest.raises(StageError, match="it makes of files something else than the action key has"):
        typed_slice(stamp, stamp.config)


class Hidden(PtTokens):
    _held: int = 3


class Excluded(PtTokens):
    held: int = Field(3, exclude=True)


class Written(PtTokens):
    @field_serializer("sequence_length")
    def _as_it_was(self, value: int) -> int:
        return 512


class Said(PtTokens):
    @field_validator("sequence_length")
    @classmethod
    def _other(cls, value: int) -> Any:
        return type("Other", (int,), {})(value)


@pytest.mark.parametrize("section", [Hidden, Excluded, Said], ids=lambda section: section.__name__)
def test_a_section_that_holds_more_than_its_values_is_refused(
    stamps: dict[str, Stamp], monkeypatch: pytest.MonkeyPatch, section: type[PtTokens]
) -> None:
    stamp = stamps["pt_tokens"]
    made = create_model("PtTokensSlice", __base__=Slice, section=(section, ...))
    monkeypatch.setattr("domainlm.pipeline.slices.slice_type", lambda *_, **__: made)
    with pytest.raises(StageError, match="it makes of section something else than the action key has"):
        typed_slice(stamp, stamp.config)


def test_a_serializer_cannot_say_what_a_section_does_not_hold(
    stamps: dict[str, Stamp], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = create_model("PtTokensSlice", __base__=Slice, section=(Written, ...))
    monkeypatch.setattr("domainlm.pipeline.slices.slice_type", lambda *_, **__: made)
    found: Any = typed_slice(stamps["pt_tokens"], {"section": {"sequence_length": 64}})
    assert found.section.sequence_length == 64


@pytest.mark.parametrize("name", ["ftfy.py", "ftfy/__init__.py"])
def test_a_file_beside_the_package_is_no_library(
    text_project: Any, stamps: dict[str, Stamp], store: Store, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """It would run under the library's version."""
    path = text_project.path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("def fix_text(text):\n    return text\n")
    monkeypatch.syspath_prepend(str(text_project.path))
    monkeypatch.delitem(sys.modules, "ftfy", raising=False)
    with pytest.raises(StageError, match=r"ftfy was found at .*, beside the package domainlm"):
        load(text_project, stamps["clean_shards"], store)
    load(text_project, stamps["raw_corpus"], store)


def test_a_refused_import_ends_the_run(text_project: Any, stamps: dict[str, Stamp], store: Store) -> None:
    code = load(text_project, stamps["raw_corpus"], store)
    with (
        pytest.raises(StageError, match="edited while a stage ran"),
        running(stamps["raw_corpus"], code),
    ):
        raise CodeError("domainlm.text.new was edited while a stage ran")
    other = dataclasses.replace(stamps["raw_corpus"], code_digest="0" * 64)
    with pytest.raises(StageError, match="were edited while it ran"), running(other, code):
        pass
    with running(stamps["raw_corpus"], code):
        pass
