"""Which part of which raw file goes to which shard.

In: a file's source, path, size and format. Out: its format, its byte ranges, and the shard of each range. Ranges are
nominal cuts: a record belongs to the range in which its first byte lies, so a file is cut without being read. The
shard is a stable hash of source, path and range, so a changed file touches its own shard only.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import cache
from itertools import pairwise

FORMAT_BY_SUFFIX = {
    ".obo": "obo",
    ".txt": "txt",
    ".text": "txt",
    ".md": "md",
    ".markdown": "md",
    ".rst": "rst",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".pdf": "pdf",
    ".docx": "docx",
    ".epub": "epub",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".arrow": "arrow",
}
# those whose records can be read from the middle of a file: by line, by row group; a term of an ontology needs all the others
RECORD_FORMATS = frozenset({"jsonl", "parquet"})


def format_of(path: str) -> str | None:
    """Document format by a path's extension, or None."""
    name = path[path.rfind("/") + 1 :]
    stem, dot, suffix = name.rpartition(".")
    return FORMAT_BY_SUFFIX.get(f".{suffix.lower()}") if stem and dot else None


def byte_ranges(size: int, document_format: str | None, segment_bytes: int) -> list[tuple[int, int]]:
    """Nominal ranges [start, end) in bytes; one range where the format has no records or the file is small."""
    if document_format not in RECORD_FORMATS or size <= segment_bytes:
        return [(0, size)]
    count = -(-size // segment_bytes)
    cuts = [size * index // count for index in range(count + 1)]
    return list(pairwise(cuts))


def shard_of(source: str, path: str, start: int, shards: int) -> int:
    digest = hashlib.sha256(f"{source}\0{path}\0{start}".encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") % shards


@cache
def glob_pattern(pattern: str) -> re.Pattern[str]:
    """Regular expression of a glob over posix paths: ** spans folders, * and ? do not."""
    parts = []
    for token in re.findall(r"\*\*/|\*\*|\*|\?|[^*?]+", pattern):
        parts.append({"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}.get(token) or re.escape(token))
    return re.compile("".join(parts) + r"\Z", re.DOTALL)


def is_included(path: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    return any(glob_pattern(p).match(path) for p in include) and not any(glob_pattern(p).match(path) for p in exclude)
