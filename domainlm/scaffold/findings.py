"""What a look at a folder of files found (`survey.py`).

In: counts. Out: values, and what follows from them: shares of languages, whether all was tried. Counts of a sample are kept beside
how many were tried and never scaled up, but for the languages: which one a folder is mostly in is a question about all of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from domainlm.text.cleaning.language import UNDETERMINED

# the name of the row that counts archives
ARCHIVE = "archive"


@dataclass(frozen=True)
class FormatCount:
    """Files of one format, members of archives with them. tried: how many of them were given to a reader; read: had text."""

    name: str
    files: int
    size_bytes: int
    tried: int
    read: int
    languages: Mapping[str, int]
    charsets: Mapping[str, int]


@dataclass(frozen=True)
class Unread:
    """Files that a build would list and not read. of: how many files were tried, where only a sample was; example: a path."""

    reason: str
    detail: str
    files: int
    example: str
    of: int | None = None


@dataclass(frozen=True)
class Survey:
    """files, size_bytes: of the folder. by_name: files whose format is told by their names alone. unlooked: archives of which
    not all was looked at. other_names: names that are not UTF-8."""

    files: int
    size_bytes: int
    formats: tuple[FormatCount, ...]
    unread: tuple[Unread, ...]
    by_name: int
    unlooked: int
    other_names: int

    @property
    def tried(self) -> int:
        return sum(found.tried for found in self.formats)

    @property
    def read(self) -> int:
        return sum(found.read for found in self.formats)

    @property
    def text_files(self) -> int:
        """Files that give text as far as is known, members of archives with them."""
        return sum(found.files for found in self.formats if found.name != ARCHIVE)

    def language_shares(self) -> dict[str, float]:
        """Share of the files by language, those read of a format standing for all of it; by falling share."""
        weights: dict[str, float] = {}
        for found in self.formats:
            known = {name: count for name, count in found.languages.items() if name != UNDETERMINED}
            for name, count in known.items():
                weights[name] = weights.get(name, 0.0) + found.files * count / sum(known.values())
        total = sum(weights.values())
        return {name: weight / total for name, weight in sorted(weights.items(), key=lambda item: (-item[1], item[0]))}
