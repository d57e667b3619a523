"""The survey of a folder, as values.

In: counts (`survey.py`). Out: values, and conclusions from them: shares of languages, and whether every file was tried.
Counts of a sample are kept beside the number of files tried and never scaled up, except for the languages, because the
main language of a folder is a question about all of its files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from domainlm.text.cleaning.language import UNDETERMINED

# name of the row for archives
ARCHIVE = "archive"


@dataclass(frozen=True)
class FormatCount:
    """Files of one format, including members of archives.

    tried: how many of them were given to a reader; read: how many of those had text.
    """

    name: str
    files: int
    size_bytes: int
    tried: int
    read: int
    languages: Mapping[str, int]
    charsets: Mapping[str, int]


@dataclass(frozen=True)
class Unread:
    """Files that a build would list and not read.

    of: how many files were tried, where only a sample was; example: a path.
    """

    reason: str
    detail: str
    files: int
    example: str
    of: int | None = None


@dataclass(frozen=True)
class Survey:
    """The survey of a folder.

    files, size_bytes: of the folder. by_name: files whose format was detected by their names alone. unlooked: archives
    that were not read to their end. other_names: names that are not UTF-8.
    """

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
        """Files known to give text, including members of archives."""
        return sum(found.files for found in self.formats if found.name != ARCHIVE)

    def language_shares(self) -> dict[str, float]:
        """Share of the files by language, in falling order.

        The files read of a format stand for all files of that format.
        """
        weights: dict[str, float] = {}
        for found in self.formats:
            known = {name: count for name, count in found.languages.items() if name != UNDETERMINED}
            for name, count in known.items():
                weights[name] = weights.get(name, 0.0) + found.files * count / sum(known.values())
        total = sum(weights.values())
        return {name: weight / total for name, weight in sorted(weights.items(), key=lambda item: (-item[1], item[0]))}
