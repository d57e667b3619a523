"""The error of a file that cannot be read, with the reason by which it is counted."""

from __future__ import annotations


class Unreadable(ValueError):
    """A file of which a reader can make no text: `reason` is a lower_snake noun (truncated, encrypted, ...), counted by."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return self.detail
