"""Files of records, and what is read of them."""

from __future__ import annotations

import io
from typing import Any

from domainlm.config.text import Documents
from domainlm.text.reading.pieces import Piece
from domainlm.text.reading.tables import read_records


def read(data: bytes, document_format: str, start: int = 0, end: int | None = None, **labels: Any) -> list[Any]:
    row = {"format": document_format, "start": start, "end": len(data) if end is None else end, "size": len(data)}
    row |= {"role": labels.pop("role", "corpus"), "path": "a", "charset": labels.pop("charset", None)}
    return list(read_records(row, io.BytesIO(data), Documents(**labels)))


def row_of(data: bytes, document_format: str) -> dict[str, Any]:
    return {"format": document_format, "start": 0, "end": len(data), "size": len(data), "role": "corpus", "path": "a"}


def texts(found: list[Any]) -> list[str]:
    return [each.text if isinstance(each, Piece) else each.reason for each in found]


def parquet(rows: list[dict[str, Any]], group: int = 500) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), file, row_group_size=group)
    return file.getvalue()


def arrow(rows: list[dict[str, Any]], is_file: bool) -> bytes:
    import pyarrow as pa

    table = pa.Table.from_pylist(rows)
    file = io.BytesIO()
    with pa.ipc.new_file(file, table.schema) if is_file else pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=1000)
    return file.getvalue()
