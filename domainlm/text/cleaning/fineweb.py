"""FineWeb's own rules (Penedo et al. 2024) on lines.

They concern lines without an end, short lines, repeated lines, lists. In: a text as `Parts` and the conventions of
its language. Out: each rule's name and measured value. The last one counts lines and not line feeds as FineWeb does:
our paragraphs are a blank line apart, which would count twice.
"""

from __future__ import annotations

from collections.abc import Iterator

from domainlm.text.cleaning.conventions import Conventions
from domainlm.text.cleaning.parts import Parts, duplicated


def measures(parts: Parts, conventions: Conventions) -> Iterator[tuple[str, float]]:
    lines = parts.lines
    ends = sum(line.rstrip(conventions.closing_marks).endswith(conventions.sentence_marks) for line in lines)
    yield "fineweb_min_line_end_share", ends / len(lines)
    short = sum(len(line) <= conventions.short_line_chars for line in lines)
    yield "fineweb_max_short_line_share", short / len(lines)
    yield "fineweb_max_duplicate_line_char_share", duplicated(lines)[1] / sum(map(len, lines))
    yield "fineweb_max_lines_per_word", (len(lines) - 1) / len(parts.tokens)
