"""The assignment of raw files, and parts of them, to shards.

In: a file's source, path, size and format. Out: its format, its byte ranges, and the shard of each range. Ranges are
nominal cuts: a record belongs to the range in which its first byte is, so a file is cut without being read. The shard
is a stable hash of source, path and range, so a changed file affects its own shard only.
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
    """Nominal ranges [start, end) in bytes.

    There is one range if the format has no records or the file is small.
    """
    if document_format not in RECORD_FORMATS or size <= segment_bytes:
        return [(0, size)]
    count = -(-size // segment_bytes)
    cuts = [size * index // count for index in range(count + 1)]
    return list(pairwise(cuts))


def shard_of(source: str, path: str, start: int, shards: int) -> int:
    digest = hashlib.sha256(f"{source}\0{path}\0{start}".encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") % shards


# a wildcard of several characters tries every length: a regular expression takes the path's length to the power of their number
_MAX_TRIES = 100_000
_WILDCARDS = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


@cache
def _tokens_of(pattern: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\*\*/|\*\*|\*|\?|[^*?]+", pattern))


@cache
def _expression_of(pattern: str) -> tuple[re.Pattern[str], int]:
    """The expression, and its number of wildcards for several characters."""
    tokens = _tokens_of(pattern)
    text = "".join(_WILDCARDS.get(token) or re.escape(token) for token in tokens) + r"\Z"
    return re.compile(text, re.DOTALL), sum("*" in token for token in tokens)


def _is_matched(pattern: str, path: str) -> bool:
    """Whether a pattern matches, in linear time.

    The answer is that of the pattern's regular expression: bit i of `reached` says that the tokens so far match
    path[:i].
    """
    places: dict[str, int] = {}
    for at, character in enumerate(path):
        places[character] = places.get(character, 0) | 1 << at
    slashes, end = places.get("/", 0), 1 << len(path)
    within = (end - 1) & ~slashes
    reached = 1
    for part in _tokens_of(pattern):
        if not reached:
            return False
        behind_first = -(reached & -reached)
        if part == "**/":
            reached |= (slashes & behind_first) << 1
        elif part == "**":
            reached = (2 * end - 1) & behind_first
        elif part == "*":
            # the sum carries each bit through the run of characters that it lies in, to the next slash
            starts = reached & within
            reached |= (starts + within) ^ within
        elif part == "?":
            reached = (reached & within) << 1
        else:
            for character in part:
                reached = (reached & places.get(character, 0)) << 1
    return reached & end != 0


def is_glob_of(pattern: str, path: str) -> bool:
    """Whether a glob matches a whole posix path.

    ** spans folders, * and ? do not.
    """
    expression, wildcards = _expression_of(pattern)
    if len(path) ** wildcards > _MAX_TRIES:
        return _is_matched(pattern, path)
    return expression.match(path) is not None


def is_included(path: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    return any(is_glob_of(p, path) for p in include) and not any(is_glob_of(p, path) for p in exclude)


def may_hold_included(folder: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    """Whether a folder may hold an included file, at any depth.

    Other folders need not be listed.
    """
    prefix = f"{folder}/"
    leads = (pattern[: re.search(r"[*?]|\Z", pattern).start()] for pattern in include)  # type: ignore[union-attr]
    return any(lead.startswith(prefix) or prefix.startswith(lead) for lead in leads) and not any(
        pattern.endswith("**") and is_glob_of(pattern, prefix) for pattern in exclude
    )
