"""The fates of documents in one artifact.

In: an artifact's folder, the traced files or documents. Out: those of their documents that it holds, and for each
that it rejected or excluded a `Fate` with rule, value and threshold, from its lists of rejected, repeated and
excluded documents. Rows are streamed and texts are not read, because lists and tables of a large corpus do not fit
into memory.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domainlm.text.json_rows import rows_of
from domainlm.text.repeats.kinds import REPEAT_REASONS

COLUMNS = ["id", "source", "path", "section", "start", "end", "language", "use"]

Row = dict[str, Any]
Place = tuple[str, str]


@dataclass(frozen=True)
class Fate:
    """The end of a file, record or document.

    outcome: a split, `rejected`, `left_out`, or `unknown`, if the artifacts do not fit together. stage: the last one
    that saw it. reason, value, threshold: the rule that rejected or excluded it. detail: in words.
    """

    stage: str
    outcome: str
    reason: str | None = None
    value: Any = None
    threshold: Any = None
    detail: str = ""


@dataclass(frozen=True)
class Seen:
    """Documents of the traced files in one artifact.

    They are those that it has, and those that it rejected or excluded.
    """

    documents: Mapping[str, Row]
    kept_out: Mapping[str, Fate]


def rejected(stage: str, row: Row) -> Fate:
    return Fate(stage, "rejected", row["reason"], row.get("value"), row.get("threshold"), row.get("detail") or "")


def unknown(stage: str) -> Fate:
    return Fate(stage, "unknown", detail=f"{stage} was built from another version of its inputs; build it again")


def documents_in(paths: list[Path], places: Collection[Place], ids: Collection[str] = ()) -> Iterator[Row]:
    """Rows of documents of these files, and of these ids.

    Their texts are not read.
    """
    import pyarrow.parquet as pq

    for path in paths:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(columns=COLUMNS):
                for row in batch.to_pylist():
                    if (row["source"], row["path"]) in places or row["id"] in ids:
                        yield row


def seen_in(folder: Path, stage: str, places: Collection[Place], known: Collection[str]) -> Seen:
    """One artifact's documents of these files, and the fates of others.

    The others are the known ones that it rejected or excluded.
    """
    parquets = sorted([*folder.glob("[0-9]*/documents.parquet"), *folder.glob("documents.parquet")])
    kept_out: dict[str, Fate] = {}
    repeats: dict[str, Row] = {}
    for name in ("rejected.jsonl", "duplicates.jsonl", "left_out.jsonl"):
        for path in sorted([*folder.glob(f"[0-9]*/{name}"), *folder.glob(name)]):
            for row in rows_of(path):
                if row.get("id") not in known:
                    continue
                if name == "duplicates.jsonl":
                    repeats[row["id"]] = row
                elif name == "left_out.jsonl":
                    kept_out[row["id"]] = Fate(stage, "left_out", row["reason"])
                else:
                    kept_out[row["id"]] = rejected(stage, row)
    originals = {row["duplicate_of"] for row in repeats.values()}
    documents, others = {}, {}
    for row in documents_in(parquets, places, originals):
        if (row["source"], row["path"]) in places:
            documents[row["id"]] = row
        others[row["id"]] = row
    for identifier, row in repeats.items():
        other = others.get(row["duplicate_of"])
        of = f"{other['source']}: {other['path']} {other['section']}".strip() if other else row["duplicate_of"]
        kept_out[identifier] = Fate(
            stage,
            "rejected",
            REPEAT_REASONS[row["kind"]],
            row["similarity"],
            row.get("threshold"),
            f"repeats {of} (id {row['duplicate_of']})",
        )
    return Seen(documents, kept_out)
