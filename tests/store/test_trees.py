from __future__ import annotations

from pathlib import Path

import pytest

from domainlm.store.actions import ActionCache
from domainlm.store.manifest import Entry, make_manifest
from domainlm.store.trees import read_code, read_tree, write_code, write_tree

MANIFEST = make_manifest([Entry("a.txt", "0" * 64, 3), Entry("b.txt", "1" * 64, 5)])


def test_a_tree_comes_back_by_its_digest(tmp_path: Path) -> None:
    write_tree(tmp_path, MANIFEST)
    digest = MANIFEST.tree_digest
    assert read_tree(tmp_path, digest) == MANIFEST
    assert (tmp_path / "trees" / digest[:2] / f"{digest}.json").read_bytes() == MANIFEST.to_bytes()
    assert read_tree(tmp_path, "2" * 64) is None


def test_what_was_written_stays(tmp_path: Path) -> None:
    write_tree(tmp_path, MANIFEST)
    [path] = [path for path in tmp_path.rglob("*") if path.is_file()]
    moment = path.stat().st_mtime_ns
    write_tree(tmp_path, MANIFEST)
    assert path.stat().st_mtime_ns == moment
    assert [found for found in tmp_path.rglob("*") if found.is_file()] == [path]


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"files": []}'])
def test_a_tree_that_is_not_what_its_name_says_is_none(tmp_path: Path, data: bytes) -> None:
    write_tree(tmp_path, MANIFEST)
    [path] = [path for path in tmp_path.rglob("*") if path.is_file()]
    path.write_bytes(data)
    assert read_tree(tmp_path, MANIFEST.tree_digest) is None


def test_definitions_come_back_by_code_digest(tmp_path: Path) -> None:
    definitions = {"domainlm/text/cleaning/clean.py": {"tidy": "0" * 64}}
    assert read_code(tmp_path, "3" * 64) is None
    write_code(tmp_path, "3" * 64, definitions)
    assert read_code(tmp_path, "3" * 64) == definitions


def test_every_recorded_action_s_tree_is_kept(tmp_path: Path) -> None:
    cache = ActionCache(tmp_path)
    other = make_manifest([Entry("a.txt", "2" * 64, 3)])
    cache.put("4" * 64, MANIFEST, {"key": "4" * 64, "action": {}})
    # an alternative is a tree too
    cache.put("4" * 64, other, {"key": "4" * 64, "action": {}})
    assert read_tree(tmp_path, MANIFEST.tree_digest) == MANIFEST
    assert read_tree(tmp_path, other.tree_digest) == other


def test_a_store_that_was_there_before_gets_its_tree_with_the_next_record(tmp_path: Path) -> None:
    cache = ActionCache(tmp_path)
    cache.put("4" * 64, MANIFEST, {"key": "4" * 64, "action": {}})
    [path] = (tmp_path / "trees").rglob("*.json")
    path.unlink()
    cache.put("4" * 64, MANIFEST, {"key": "4" * 64, "action": {}})
    assert read_tree(tmp_path, MANIFEST.tree_digest) == MANIFEST
