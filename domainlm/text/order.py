"""The orders of documents: canonical for merging, shuffled for training.

In: Parquet files in canonical order. Out: their documents in canonical order, whatever the number of shards, or in
the order of a stable hash. They are merged and not sorted, so that memory is one row group a shard. A large file is
shuffled in several passes, each for a range of hashes, so that memory is one pass.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from domainlm.text.document import Document, read_documents
from domainlm.text.stable_hash import stable_hash

BYTES_PER_PASS = 256_000_000


def canonical_key(document: Document) -> tuple[str, str, int, str, str]:
    return document.source, document.path, document.start, document.section, document.id


def in_order(documents: Iterable[Document], path: Path) -> Iterator[Document]:
    """The same documents, checked.

    Raises ValueError if they are out of order, which would silently make a merge wrong.
    """
    last: tuple[str, str, int, str, str] | None = None
    for document in documents:
        key = canonical_key(document)
        if last is not None and key < last:
            raise ValueError(f"{path.parent.name}/{path.name}: {key} follows {last}; build documents again")
        last = key
        yield document


def merged(paths: Iterable[Path]) -> Iterator[Document]:
    """Documents of all files in canonical order."""
    return heapq.merge(*(in_order(read_documents(path), path) for path in paths), key=canonical_key)


def in_hash_order(
    path: Path, wanted: Collection[str], seed: int, bytes_per_pass: int = BYTES_PER_PASS
) -> Iterator[Document]:
    """The wanted documents of a file, ordered by a hash.

    The hash is of seed and id, so the order is the same however many passes it takes.
    """
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        size = sum(file.metadata.row_group(index).total_byte_size for index in range(file.num_row_groups))
    passes = size // bytes_per_pass + 1
    for turn in range(passes):
        found = []
        for document in read_documents(path):
            if document.id in wanted:
                key = stable_hash(seed, document.id)
                if int.from_bytes(key[:8], "big") * passes >> 64 == turn:
                    found.append((key, document))
        found.sort(key=lambda item: item[0])
        yield from (document for _, document in found)
