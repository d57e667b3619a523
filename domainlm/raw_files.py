"""Opening raw files by their inventory rows.

In: a stamp (where sources lie), the store (where fetched files lie), a row. Out: an open file whose bytes have the
digest that the row lists; anything else is refused. The check happens on the open file itself, so what is checked is
what is read.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from domainlm.stage import StageError
from domainlm.stamps import Stamp
from domainlm.store.local import Store
from domainlm.text.reading.archives import read_member


def raw_opener(project: Path, stamp: Stamp, store: Store) -> Callable[[Mapping[str, Any]], BinaryIO]:
    """The function that opens a raw file by its inventory row, refusing bytes that the inventory does not list."""
    checked: dict[str, tuple[int, int, int]] = {}

    def fetched(digest: str, source: str) -> BinaryIO:
        path = store.objects.path(digest)
        if not path.exists() or not store.objects.has(digest, path.stat().st_size):
            raise StageError(
                f"the fetched file {digest[:16]} of source {source} is not in the store {store.root}; "
                "fetch it again: snakemake --cores all --forcerun raw_corpus_shard"
            )
        return path.open("rb")

    def opened(row: Mapping[str, Any]) -> BinaryIO:
        if row.get("archive"):
            with fetched(row["archive"], row["source"]) as archive:
                data = read_member(archive, row["member"])
            if hashlib.sha256(data).hexdigest() != row["sha256"]:
                raise StageError(f"source {row['source']}: member {row['member']} is not what the inventory lists")
            return io.BytesIO(data)
        if row["origin"] == "fetch":
            return fetched(row["sha256"], row["source"])
        root = project / stamp.roots[row["source"]]
        path = root if root.is_file() else root / row["path"]
        try:
            file = path.open("rb")
        except OSError as error:
            raise StageError(
                f"source {row['source']}: cannot read {row['path']}: {error.strerror}; it was listed when this run began; "
                "put it back or run snakemake again"
            ) from error
        found = os.fstat(file.fileno())
        identity = (found.st_size, found.st_mtime_ns, found.st_ino)
        if checked.get(str(path)) != identity:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            if digest != row["sha256"]:
                raise StageError(
                    f"source {row['source']}: {row['path']} has sha256 {digest}, but the inventory lists {row['sha256']}: "
                    "it changed while the build ran; run snakemake again"
                )
            file.seek(0)
            checked[str(path)] = identity
        return file

    return opened
