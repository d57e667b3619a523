from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from domainlm.store.canonical import canonical_json, depth_of, parse_json, pretty_json, sha256_of, sha256_of_file


def test_key_order_and_spacing_do_not_matter() -> None:
    assert canonical_json({"b": [1, 2.5, None, True], "a": "ü"}) == '{"a":"ü","b":[1,2.5,null,true]}'.encode()
    assert canonical_json({"a": 1, "b": 2}) == canonical_json({"b": 2, "a": 1})


def test_numbers_keep_their_kind() -> None:
    assert canonical_json(1) != canonical_json(1.0)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_numbers_without_json_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="Out of range"):
        canonical_json({"a": value})
    with pytest.raises(ValueError, match="Out of range"):
        pretty_json({"a": value})


def test_lone_surrogates_have_one_form() -> None:
    name = b"caf\xe9.txt".decode("utf-8", "surrogateescape")
    assert canonical_json(name) == canonical_json(str(name))
    assert canonical_json(name) != canonical_json("caf\ufffd.txt")
    pretty_json({"path": name}).decode("utf-8")


def test_pretty_json_is_sorted_and_ends_in_a_newline() -> None:
    assert pretty_json({"b": 1, "a": 2}) == b'{\n "a": 2,\n "b": 1\n}\n'


def test_digests_of_bytes_and_of_a_file_agree(tmp_path: Path) -> None:
    data = b"x" * 300_000
    (tmp_path / "file").write_bytes(data)
    assert sha256_of_file(tmp_path / "file") == sha256_of(data) == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[NaN]", b"[Infinity]", b"[1e999]", b"[-1e999]", b"[" * 99_999, b"\xff", b"9" * 5000]
)
def test_what_is_no_json_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_json(data)


@pytest.mark.parametrize(("value", "depth"), [(1, 0), ([], 0), ([1], 1), ({"a": [1, {"b": 2}]}, 3), ([[], [[1]]], 3)])
def test_depth_counts_the_values_that_lie_deepest(value: object, depth: int) -> None:
    assert depth_of(value) == depth
