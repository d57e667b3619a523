"""Lines of a page, and their reading order.

In: the lines of a page in the order of the file's content, with their positions. Out: the same lines in reading
order: columns one after the other. Property kept: no line is lost. The content's order is kept if it reads downwards,
because the maker of the file knew the order better than geometry does; an upward step shows that the content's order
is not the reading order. Thresholds are in font sizes, so that they hold for any scale.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple

# lines nearer than this to each other's height, in font sizes, are in one row
SAME_ROW = 0.3
MIN_GUTTER_LINES = 8
MIN_COLUMN_SIZES = 12
MAX_CELL_CHARS = 6


# a tuple: a book has a hundred thousand, and a frozen dataclass takes five times as long to make
class Line(NamedTuple):
    """A line of a page.

    bottom: its baseline, upwards. size: of its font. first, last: its characters on the page. is_cut: it ends in the
    middle of a word or at a hyphen, according to the file. is_row: it is one of a table's. has_cells: of a
    row, its gap is not only the one behind a number at its beginning. is_slanted: it runs across the
    page, as a watermark does.
    """

    text: str
    left: float
    right: float
    bottom: float
    size: float
    first: int = 0
    last: int = 0
    is_cut: bool = False
    is_row: bool = False
    is_slanted: bool = False
    has_cells: bool = False


def gutter_of(rows: Sequence[tuple[Line, float, float]], wide: int) -> float | None:
    """The x between two columns written row by row, or None.

    In such content (prose), each line holds both columns. rows: the page's lines that have a gap in them, with its
    left and right end. wide: lines as wide as these. A table's rows have a gap at one place too, but short cells on
    one side of it, or ragged ones.
    """
    if not rows:
        return None
    middle = median([(left + right) / 2 for _, left, right in rows])
    inside = [row for row in rows if row[1] <= middle <= row[2]]
    if len(inside) < 0.7 * wide:
        return None
    edge = max(left for _, left, _ in inside)
    begin = min(right for _, _, right in inside)
    shares = (
        median([(left - line.left) / line.size for line, left, _ in inside]) > MIN_COLUMN_SIZES,
        median([(line.right - right) / line.size for line, _, right in inside]) > MIN_COLUMN_SIZES,
        sum(edge - left < 3 * line.size for line, left, _ in inside) >= 0.6 * len(inside),
        sum(right - begin < line.size for line, _, right in inside) >= 0.6 * len(inside),
    )
    return middle if all(shares) else None


def _has_upward_step(lines: Sequence[Line]) -> bool:
    """Whether a line is above the one before, in no new column.

    A column to its right would explain the step.
    """
    return any(
        [
            line.bottom > above.bottom + above.size and line.left < above.left + 2 * above.size
            for above, line in pairwise(lines)
        ]
    )


def column_gap(lines: Sequence[Line]) -> float | None:
    """An x with columns on both sides, or None.

    The fewest possible lines cross it.
    """
    lefts = sorted([line.left for line in lines])
    # in most pages too few lines begin right of the middle
    if len(lefts) < 8 or lefts[-max(4, len(lefts) // 5)] < (lefts[0] + max([line.right for line in lines])) / 3:
        return None
    rights = sorted([line.right for line in lines])
    best: tuple[int, float] | None = None
    for edge in sorted(set(lefts))[1:]:
        at = edge - 0.5
        left = bisect_right(rights, at)
        right = len(lefts) - bisect_right(lefts, at)
        crossing = len(lines) - left - right
        if min(left, right) >= max(4, len(lines) / 5) and crossing <= len(lines) / 4:
            best = min(best, (crossing, at)) if best is not None else (crossing, at)
    return best[1] if best is not None else None


def _by_row(lines: Sequence[Line]) -> list[Line]:
    """Lines from top to bottom, those of one height from left."""
    rows: list[list[Line]] = []
    for line in sorted(lines, key=lambda line: (-line.bottom, line.left)):
        if rows and rows[-1][0].bottom - line.bottom < SAME_ROW * line.size:
            rows[-1].append(line)
        else:
            rows.append([line])
    return [line for row in rows for line in sorted(row, key=lambda line: line.left)]


def _by_place(lines: Sequence[Line], depth: int = 0) -> list[Line]:
    """Lines from top to bottom, columns one after the other.

    Lines across the columns separate the part above from the part below.
    """
    gap = column_gap(lines) if depth < 3 else None
    if gap is None:
        return _by_row(lines)
    found: list[Line] = []
    left: list[Line] = []
    right: list[Line] = []
    for line in [*sorted(lines, key=lambda line: -line.bottom), None]:
        if line is None or line.left <= gap < line.right:
            found += _by_place(left, depth + 1) + _by_place(right, depth + 1)
            left, right = [], []
            if line is not None:
                found.append(line)
        else:
            (left if line.right <= gap else right).append(line)
    return found


def _with_cells_in_rows(lines: Sequence[Line]) -> list[Line]:
    """Lines with each short cell of a separate column in its row.

    An example are the page numbers of a contents page.
    """
    if sum([len(line.text) <= MAX_CELL_CHARS for line in lines]) < MIN_GUTTER_LINES:
        return list(lines)
    rows = {round(line.bottom): line for line in lines if len(line.text) > MAX_CELL_CHARS}
    moved: dict[Line, list[Line]] = {}
    for above, line in pairwise(lines):
        if len(line.text) <= MAX_CELL_CHARS:
            height = round(line.bottom)
            row = next((rows[at] for at in (height, height - 1, height + 1) if at in rows), None)
            if row is not None and row is not above and row.right < line.left:
                moved.setdefault(row, []).append(line)
    if len(moved) < MIN_GUTTER_LINES:
        return list(lines)
    cells = {cell for row in moved.values() for cell in row}
    return [each for line in lines if line not in cells for each in (line, *moved.get(line, ()))]


def in_reading_order(lines: Sequence[Line], is_split: bool = False) -> list[Line]:
    """Lines of a page in reading order.

    is_split: columns were separated, so the content's order is by row.
    """
    lines = _with_cells_in_rows(lines)
    if is_split or _has_upward_step(lines):
        return _by_place(lines)
    return lines
