"""Numbers of the items of ordered lists.

In: an `ol` element, its items' values. Out: the label of each item, as a browser shows it: `3.`, `c.`, `iv.`. The text
around a list refers to these numbers ("go back to step 2"), so they are part of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_KINDS = {
    "lower-alpha": "a", "lower-latin": "a", "upper-alpha": "A", "upper-latin": "A", "lower-roman": "i", "upper-roman": "I",
    "decimal": "1", "none": "",
}  # fmt: skip
_ROMAN = ((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x"),
          (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))  # fmt: skip
_MAX_ROMAN = 3999
_MAX_DIGITS = 9


@dataclass
class Numbering:
    """A list's next number, its step and its kind.

    The kind is 1, a, A, i, I, or none.
    """

    number: int
    step: int
    kind: str

    def label(self, value: str | None) -> str:
        """The next item's label; empty where the list shows none."""
        number = _integer(value, self.number)
        self.number = number + self.step
        return f"{_written(number, self.kind)}." if self.kind else ""


def _integer(value: str | None, default: int) -> int:
    text = (value or "").strip()
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) <= _MAX_DIGITS else default


def _written(number: int, kind: str) -> str:
    if kind in ("i", "I") and 0 < number <= _MAX_ROMAN:
        found = ""
        for value, letters in _ROMAN:
            found += number // value * letters
            number %= value
        return found if kind == "i" else found.upper()
    if kind in ("a", "A") and number > 0:
        found = ""
        while number > 0:
            number, letter = divmod(number - 1, 26)
            found = chr(ord(kind) + letter) + found
        return found
    return str(number)


def numbering_of(node: Any, attributes: Mapping[str, str | None]) -> Numbering:
    """The numbering of an `ol` element."""
    kind = attributes.get("type") or "1"
    style = "".join((attributes.get("style") or "").lower().split())
    for part in style.split(";"):
        name, _, value = part.partition(":")
        if name in ("list-style", "list-style-type"):
            kind = next((_KINDS[each] for each in _KINDS if each in value), kind)
    if kind not in ("1", "a", "A", "i", "I", ""):
        kind = "1"
    if "reversed" not in attributes:
        return Numbering(_integer(attributes.get("start"), 1), 1, kind)
    items = sum(child.tag == "li" for child in node.iter())
    return Numbering(_integer(attributes.get("start"), items), -1, kind)
