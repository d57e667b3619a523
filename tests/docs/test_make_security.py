from __future__ import annotations

from collections import Counter
from pathlib import Path

from make_security import ORDER, PAGE, attacks, page

MIN_ROWS = 60


def test_the_page_is_what_is_generated(repository: Path) -> None:
    assert (repository / PAGE).read_text(encoding="utf-8") == page(), "run: python docs/make_security.py"


def test_there_are_many() -> None:
    assert len(attacks()) >= MIN_ROWS


def test_rows_are_cells_of_a_table() -> None:
    for attack in attacks():
        row = attack.row
        assert row.by in ORDER
        for words in (row.kind, row.tries, row.promise):
            assert words.strip() == words, attack
            assert words, attack
            assert not set("|\n\r") & set(words), attack


def test_every_row_tries_something_else() -> None:
    counts = Counter((attack.row.by, attack.row.tries) for attack in attacks())
    assert [tries for tries, count in counts.items() if count > 1] == []


def test_every_row_is_on_the_page(repository: Path) -> None:
    """A row in a file of another name would be a test without a promise, a file of attacks without one a test without a row."""
    files = {
        path.relative_to(repository / "tests").as_posix()
        for path in (repository / "tests").glob("*/test_*.py")
        if path.parent.name == "attacks" or "\n@attack(" in path.read_text(encoding="utf-8")
    }
    assert {attack.file for attack in attacks()} == files
