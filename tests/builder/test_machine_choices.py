from __future__ import annotations

import json
from pathlib import Path

import pytest

from domainlm.builder import machine_choices
from domainlm.builder.machine_choices import MachineChoices


def measured(value: str) -> object:
    return lambda: value


def refuse() -> str:
    raise AssertionError("measured a second time")


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    (tmp_path / "scratch").mkdir()
    return tmp_path / "scratch"


def other_scratch(tmp_path: Path) -> Path:
    (tmp_path / "other").mkdir()
    return tmp_path / "other"


def test_a_choice_is_measured_once_on_a_kind_of_machine(tmp_path: Path, scratch: Path) -> None:
    first = MachineChoices(tmp_path / "store", scratch, 0)
    assert first.choose("precision", lambda: "bfloat16") == "bfloat16"
    assert first.made == {"precision": "bfloat16"}
    second = MachineChoices(tmp_path / "store", other_scratch(tmp_path), 0)
    assert second.made == {}
    assert second.choose("precision", refuse) == "bfloat16"
    assert second.choose("layout", lambda: "rows") == "rows"
    (file,) = (tmp_path / "store/machines").iterdir()
    assert json.loads(file.read_text())["layout"] == "rows"


def test_another_kind_of_machine_measures_itself(
    tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    MachineChoices(tmp_path / "store", scratch, 0).choose("precision", lambda: "bfloat16")
    monkeypatch.setattr(machine_choices, "kind_of_machine", lambda gpus: {"processor": "another"})
    other = MachineChoices(tmp_path / "store", other_scratch(tmp_path), 0)
    assert other.choose("precision", lambda: "float32") == "float32"


def test_a_run_that_continues_keeps_the_choice_that_it_began_with(
    tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    MachineChoices(tmp_path / "store", scratch, 0).choose("precision", lambda: "bfloat16")
    monkeypatch.setattr(machine_choices, "kind_of_machine", lambda gpus: {"processor": "another"})
    assert MachineChoices(tmp_path / "store", scratch, 0).choose("precision", refuse) == "bfloat16"


def test_what_is_built_again_is_built_as_it_was(tmp_path: Path, scratch: Path) -> None:
    MachineChoices(tmp_path / "store", scratch, 0).choose("precision", lambda: "bfloat16")
    again = MachineChoices(
        tmp_path / "store", other_scratch(tmp_path), 0, {"precision": "float32", "micro_batch_rows": 1}
    )
    assert again.choose("precision", refuse) == "float32"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"precision": 3}', '{"precision": "%s"}' % ("x" * 101)])
def test_a_torn_file_is_measured_again(text: str, tmp_path: Path, scratch: Path) -> None:
    MachineChoices(tmp_path / "store", scratch, 0).choose("precision", lambda: "bfloat16")
    (file,) = (tmp_path / "store/machines").iterdir()
    file.write_text(text)
    assert (
        MachineChoices(tmp_path / "store", other_scratch(tmp_path), 0).choose("precision", lambda: "float32")
        == "float32"
    )
