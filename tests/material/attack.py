"""What every attack on the project is filed under: who tries it, what is tried, what happens instead.

A test below tests/attacks/ carries one `attack` row. docs/make_security.py prints them as docs/reference/security.md, so the page
promises nothing that no test holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

# who could write what is read: docs/reference/security.md says of each what is promised
By = Literal["domain file", "corpus", "base model", "package index", "remote", "store", "workspace", "clock", "code"]
Test = TypeVar("Test", bound=Callable[..., object])


@dataclass(frozen=True)
class Row:
    """One row of the page. kind: class of attack, as public lists name it. tries: what is done. promise: what happens instead."""

    by: By
    kind: str
    tries: str
    promise: str


def attack(by: By, kind: str, tries: str, promise: str) -> Callable[[Test], Test]:
    """Decorator of a test: its row of the table."""

    def filed(test: Test) -> Test:
        test.attack = Row(by, kind, tries, promise)  # type: ignore[attr-defined]
        return test

    return filed
