"""Rows of a table, as lines.

In: the flow of a page while it is walked, and the rows and cells that begin and end in it. Out: the same flow, in which
a row of data is one line and its cells are told apart, as in a Word document: `name | dose |  | days`. An empty cell
keeps its place, so does one that a cell of an earlier row or column covers. A row that lays out the page instead is left
as blocks: it holds headings, code or a further table, or a cell of several paragraphs.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from domainlm.text.reading.html_marks import CELL, ITEM, LINE, PARAGRAPH

SEPARATOR = " | "
# a cell with more text, in more than one paragraph, is a part of the page
MAX_CELL_CHARS = 400
# a page may name any number of columns
MAX_SPAN = 20
MAX_COLUMNS = 1000
# places that a table's cells cover, of which each is written: some, and so many a cell
MAX_COVERED, MAX_COVERED_A_CELL = 1000, 10

FlowItem = tuple[int, str, int]


@dataclass
class Row:
    """A row that has begun.

    marks: where its cells begin in the flow, those included that others cover. cells: without those.
    """

    start: int
    cells: int = 0
    marks: list[int] = field(default_factory=list)
    is_layout: bool = False


@dataclass
class Table:
    """A table that has begun.

    covered: rows that a cell from above still covers, by column. pending: columns that the last cell covers beside its
    own. left: how many more covered places are written. is_layout: its rows are no data.
    """

    is_layout: bool = False
    covered: dict[int, int] = field(default_factory=dict)
    pending: int = 0
    left: int = MAX_COVERED
    row: Row | None = None


def _span(value: str | None) -> int:
    return min(int(value[:6]), MAX_SPAN) if value and value.isascii() and value.isdigit() and int(value[:6]) else 1


def _mark(row: Row, flow: list[FlowItem], block: int) -> None:
    row.marks.append(len(flow))
    flow.append((block, CELL, 0))


def _mark_covered(table: Table, row: Row, flow: list[FlowItem], block: int) -> None:
    count = len(row.marks)
    for _ in range(min(table.pending, table.left)):
        _mark(row, flow, block)
    table.pending = 0
    while len(row.marks) in table.covered and len(row.marks) - count < table.left:
        _mark(row, flow, block)
    table.left -= len(row.marks) - count


def begin_row(table: Table, flow: list[FlowItem]) -> None:
    table.row = Row(len(flow), is_layout=table.is_layout)
    table.pending = 0


def begin_cell(table: Table, flow: list[FlowItem], block: int, columns: str | None, rows: str | None) -> None:
    """Mark the beginning of a cell, behind those that others cover."""
    row = table.row
    if row is None:
        return
    _mark_covered(table, row, flow, block)
    width, height, column = _span(columns), _span(rows), len(row.marks)
    if height > 1:
        table.covered.update(dict.fromkeys(range(column, min(column + width, MAX_COLUMNS)), height))
    _mark(row, flow, block)
    row.cells += 1
    table.left += MAX_COVERED_A_CELL
    table.pending = width - 1


def end_row(table: Table, flow: list[FlowItem], block: int, between: str) -> None:
    """Make a row of data one line, or leave it as blocks.

    between: what stands between the cells of a row that is left.
    """
    row, table.row = table.row, None
    if row is None:
        return
    if row.cells == 1 and len(row.marks) == 1:
        # a cell over all columns is a line
        table.pending = 0
    if row.cells:
        _mark_covered(table, row, flow, block)
    table.covered = {column: left - 1 for column, left in table.covered.items() if left > 1}
    if len(row.marks) > 1 and not row.is_layout and _is_data(flow, row.start):
        for index in range(row.start, len(flow)):
            its_block, text, level = flow[index]
            if text[:1] == PARAGRAPH or text[:1] == LINE:
                flow[index] = (its_block, f" {text[1:].replace(ITEM, ' ')}", level)
        between = SEPARATOR
    for place, index in enumerate(row.marks):
        flow[index] = (flow[index][0], between if place else "", 0)


def _is_data(flow: list[FlowItem], start: int) -> bool:
    """Whether a row has text, and no cell that is a text."""
    chars = breaks = 0
    has_text = False
    for index in range(start, len(flow)):
        text = flow[index][1]
        if text == CELL:
            chars = breaks = 0
        elif text[:1] == PARAGRAPH or text[:1] == LINE:
            breaks += chars > 0
        elif not text.isspace():
            chars += len(text)
            has_text = True
            if breaks and chars > MAX_CELL_CHARS:
                return False
    return has_text
