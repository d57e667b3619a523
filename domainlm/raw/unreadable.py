"""The error of an unreadable file, with its reason."""

from __future__ import annotations


class Unreadable(ValueError):
    """A file from which a reader can make no text.

    `reason` is a lower_snake noun (truncated, encrypted, ...) by which the file is counted.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return self.detail
