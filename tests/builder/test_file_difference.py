from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from domainlm.builder.file_difference import first_difference

Compare = Callable[..., str]


@pytest.fixture
def compare(tmp_path: Path) -> Compare:
    """compare(name, first, second): the difference of two contents (bytes, or functions that write a file)."""

    def compared(name: str, *contents: bytes | Callable[[Path], object]) -> str:
        paths = []
        for folder, content in zip(("first", "second"), contents, strict=True):
            path = tmp_path / folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content) if isinstance(content, bytes) else content(path)
            paths.append(path)
        return first_difference(name, *paths)

    return compared


def lines(*rows: object) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def test_jsonl_names_the_line_and_the_key(compare: Compare) -> None:
    first = [{"id": n, "meta": {"tags": ["a", "b"]}} for n in range(5)]
    second = [*first[:3], {"id": 3, "meta": {"tags": ["a", "c"]}}, {"id": 9}]
    assert compare("x.jsonl", lines(*first), lines(*second)) == "line 4, key meta.tags[1]: b -> c"
    assert compare("x.jsonl", lines(*first), lines(*first[:4])).startswith("line 5: ")
    assert "-> no such line" in compare("x.jsonl", lines(*first), lines(*first[:4]))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ({"a": {"b": 1}}, {"a": {"b": 2}}, "key a.b: 1 -> 2"),
        ({"a": 1}, {"a": 1, "c": 2}, "key c: only in the second"),
        ({"a": [1, 2]}, {"a": [1]}, "key a: 2 -> 1 items"),
        ({"a": 1}, {"a": 1.0}, "key a: 1 -> 1.0"),
        ({"a": True}, {"a": 1}, "key a: true -> 1"),
        ([1], {"a": 1}, 'key value: [1] -> {"a": 1}'),
    ],
)
def test_json_names_the_key(compare: Compare, first: Any, second: Any, expected: str) -> None:
    assert compare("x.json", lines(first), lines(second)) == expected


def test_json_that_means_the_same_names_the_byte(compare: Compare) -> None:
    assert compare("x.json", b'{"a":1}', b'{"a": 1}') == "byte 5 (7 and 8 bytes); their values are equal"


def test_text_names_the_line(compare: Compare) -> None:
    assert compare("loss.csv", b"step,loss\n1,2.5\n", b"step,loss\n1,2.6\n") == "line 2: 1,2.5 -> 1,2.6"


def test_parquet_names_row_and_column(compare: Compare) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    def table(texts: list[str], **columns: list[int]) -> Callable[[Path], object]:
        return lambda path: parquet.write_table(
            pa.table({"id": list(range(len(texts))), "text": texts, **columns}), path
        )

    texts = [f"text {n}" for n in range(3000)]
    other = [*texts[:2000], "another", *texts[2001:]]
    assert compare("x.parquet", table(texts), table(other)) == "row 2000, column text: text 2000 -> another"
    assert compare("x.parquet", table(texts), table(texts[:-1])) == "3000 -> 2999 rows"
    assert compare("x.parquet", table(texts), table(texts, n=list(range(3000)))) == "the columns differ: ['n']"


def test_npy_names_the_index(compare: Compare) -> None:
    import numpy as np

    def array(values: Any) -> Callable[[Path], object]:
        return lambda path: np.save(path, values)

    first = np.arange(600_000, dtype=np.int32).reshape(-1, 2)
    second = first.copy()
    second[250_000, 1] = -1
    assert compare("x.npy", array(first), array(second)) == "index 250000, 1: 500001 -> -1"
    assert compare("x.npy", array(first), array(first[:5])) == "int32 (300000, 2) -> int32 (5, 2)"


def test_safetensors_names_the_tensor_and_the_largest_difference(compare: Compare) -> None:
    import torch
    from safetensors.torch import save_file

    def tensors(**changes: Any) -> Callable[[Path], object]:
        values = {"a": torch.zeros(3), "b": torch.ones(2, 2, dtype=torch.bfloat16), "c": torch.tensor(1.5)}
        return lambda path: save_file({**values, **changes}, path)

    change = {"b": torch.full((2, 2), 1.5, dtype=torch.bfloat16), "c": torch.tensor(2.5)}
    assert compare("x.safetensors", tensors(), tensors(**change)) == (
        "tensor b: values differ by up to 0.5; 2 of 3 tensors differ, at most by 1 in c"
    )
    assert compare("x.safetensors", tensors(), tensors(d=torch.zeros(1))) == "tensor d: only in the second"
    assert compare("x.safetensors", tensors(), tensors(a=torch.zeros(4))).startswith("tensor a: torch.float32 [3] -> ")


def test_what_cannot_be_read_names_the_byte(compare: Compare) -> None:
    assert compare("x.bin", b"a" * 3_000_000, b"a" * 2_000_000 + b"b") == "byte 2000000 (3000000 and 2000001 bytes)"
    for name in ("x.json", "x.parquet", "x.npy", "x.safetensors"):
        assert compare(name, b"torn", b"tors").startswith("byte 3 (4 and 4 bytes) (one of them cannot be read as .")
