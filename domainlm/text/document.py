"""A document: text with provenance and labels, and its Parquet storage.

In: `Document` values. Out: a Parquet file whose bytes depend on the values alone (fixed schema, row-group size,
compression; no time). The format is Parquet and not JSON lines, because shards are read column by column and stay
small on disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

ROWS_PER_GROUP = 2000
# of the turns of a conversation in `meta`
MESSAGE_ROLES = ("system", "user", "assistant")
# the key of `meta` that names the form in which a row of instruction data held its conversation
MESSAGES_FORM = "messages_form"


@dataclass(frozen=True)
class Document:
    """One document on its way through the pipeline.

    id: stable digest of source, path, section and part. start, end: byte offsets in the raw file (-1: unknown).
    group: unit that a split never cuts; links: further keys that it must not share with a held-out document (JSON
    list). meta: JSON object with sorted keys, for facts that the format adds (obo: definition, synonyms, parents;
    instruction: messages, and the form in which they were found). language: ISO 639-1 or und; empty until the document
    is cleaned. use: its permitted uses, sorted and joined by commas (classifier, evaluation, pt, sft); empty until the
    policy is applied.
    """

    id: str
    source: str
    role: str
    path: str
    section: str
    start: int
    end: int
    group: str
    links: str
    title: str
    text: str
    meta: str
    licence: str
    authority: str
    stance: str
    language: str = ""
    use: str = ""


def body_of(document: Document) -> str:
    """The text below the title."""
    first, _, rest = document.text.partition("\n")
    return rest.lstrip("\n") if document.title and first == document.title else document.text


def write_documents(path: Path, documents: Iterable[Document]) -> int:
    """Write documents in the given order; return their number.

    Memory: one row group.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(f.name, pa.int64() if f.name in ("start", "end") else pa.string()) for f in fields(Document)])
    count = 0
    batch: list[dict[str, object]] = []
    with pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=False, write_statistics=False) as writer:

        def flush() -> None:
            if batch:
                writer.write_table(pa.Table.from_pylist(batch, schema=schema), row_group_size=ROWS_PER_GROUP)
                batch.clear()

        for document in documents:
            # not `asdict`, which copies every value: a seventh of the time of cleaning
            batch.append(vars(document))
            count += 1
            if len(batch) >= ROWS_PER_GROUP:
                flush()
        flush()
    return count


def read_documents(path: Path) -> Iterator[Document]:
    """Yield the documents of one Parquet file in order.

    Memory: one row group. The file is open only while a row group is read, because a merge reads as many files side
    by side as there are shards, and a process may have a thousand open.
    """
    import pyarrow.parquet as pq

    metadata = pq.read_metadata(path)
    for index in range(metadata.num_row_groups):
        with pq.ParquetFile(path, metadata=metadata) as file:
            rows = file.read_row_group(index).to_pylist()
        for row in rows:
            yield Document(**row)
