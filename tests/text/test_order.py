from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from domainlm.text.document import Document, write_documents
from domainlm.text.order import canonical_key, in_hash_order, merged


def document(number: int, source: str = "s") -> Document:
    return Document(
        f"{number:04d}", source, "corpus", "p", "", number, 1, "g", "[]", "", "text " * 20, "{}", "", "", ""
    )


def test_shards_are_merged_into_one_order(tmp_path: Path) -> None:
    documents = sorted((document(n, "ab"[n % 2]) for n in range(50)), key=canonical_key)
    for shards in (1, 3):
        paths = [tmp_path / f"{shards}-{shard}.parquet" for shard in range(shards)]
        for shard, path in enumerate(paths):
            write_documents(path, documents[shard::shards])
        assert list(merged(paths)) == documents


def test_a_shard_out_of_order_is_an_error(tmp_path: Path) -> None:
    write_documents(tmp_path / "a.parquet", [document(2), document(1)])
    with pytest.raises(ValueError, match="build documents again"):
        list(merged([tmp_path / "a.parquet"]))


def test_more_shards_are_merged_than_files_may_be_open(tmp_path: Path) -> None:
    paths = [tmp_path / f"{shard:04d}.parquet" for shard in range(100)]
    for shard, path in enumerate(paths):
        write_documents(path, [document(shard), document(shard + 100)])
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 50, limits[1]))
    try:
        found = [each.start for each in merged(paths)]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert found == list(range(200))


def test_hash_order_does_not_depend_on_the_number_of_passes(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_documents(path, [document(n) for n in range(200)])
    wanted = {f"{n:04d}" for n in range(0, 200, 2)}
    once = [d.id for d in in_hash_order(path, wanted, 17)]
    assert set(once) == wanted
    assert once != sorted(once)
    assert [d.id for d in in_hash_order(path, wanted, 17, bytes_per_pass=1000)] == once
    assert [d.id for d in in_hash_order(path, wanted, 18)] != once
