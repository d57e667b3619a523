from __future__ import annotations

from pathlib import Path

from domainlm.text.json_files import read_json, write_json
from domainlm.text.json_rows import open_rows, write_row
from domainlm.text.sums import summed


def test_bytes_depend_on_the_values_alone(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": 1, "a": "肺"})
    assert (tmp_path / "a.json").read_bytes() == '{\n "a": "肺",\n "b": 1\n}\n'.encode()
    assert read_json(tmp_path / "a.json") == {"a": "肺", "b": 1}
    with open_rows(tmp_path / "a.jsonl") as file:
        write_row(file, {"b": 1, "a": "x\ny"})
    assert (tmp_path / "a.jsonl").read_bytes() == b'{"a": "x\\ny", "b": 1}\n'


def test_figures_are_added_key_by_key() -> None:
    one = {"n": 1, "by": {"a": 1}}
    assert summed([one, {"n": 2, "by": {"a": 2, "b": 3}}]) == {"n": 3, "by": {"a": 3, "b": 3}}
    assert one == {"n": 1, "by": {"a": 1}}
