"""Types of the rows that describe raw files.

They are the rows of an inventory, and those that a configuration declares before a file is opened. In: nothing. Out: types of
dictionaries, which stay what they are in JSON: a mistyped key is an error of the type checker, and nothing is converted for each of a
million rows. The modules that list files, that open and that read them all name these types.
"""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

from domainlm.raw.label_names import LABELS


class Labelled(TypedDict):
    """The facts that a source gives for all its files.

    A single file may have other labels.
    """

    source: str
    role: str
    licence: str
    authority: str
    stance: str


class RawFile(Labelled):
    """A row of an inventory: one byte range of a file.

    A key that is not required may be None or missing.


    path: within its source. file_name: where the name on disk is not UTF-8. sha256, size: of the file itself. archive, archive_path:
    digest and place of the raw file that it lies in; members: the names that lead to it from there. extension_format: what
    the name says, where the content says otherwise. charset: of most files of the source, or as it declares
    (is_charset_declared). messages_from: of `config/sources.py`, where the source says it.
    """

    path: str
    sha256: str
    size: int
    start: int
    end: int
    origin: str
    format: str | None
    file_name: NotRequired[str | None]
    media_type: NotRequired[str | None]
    extension_format: NotRequired[str | None]
    charset: NotRequired[str | None]
    is_charset_declared: NotRequired[bool | None]
    messages_from: NotRequired[dict[str, Any] | None]
    archive: NotRequired[str | None]
    archive_path: NotRequired[str | None]
    members: NotRequired[list[str] | None]
    is_copied: NotRequired[bool | None]
    package: NotRequired[str | None]
    version: NotRequired[str | None]
    url: NotRequired[str | None]
    repository: NotRequired[str | None]
    revision: NotRequired[str | None]


class Declared(Labelled, total=False):
    """A row of a shard's slice: a file, archive or fetch.

    Its keys depend on which of them it is.


    path: None for a fetched archive of which no member is named. prefix: what stands before its members' names in their paths.
    include, exclude, labels, label_table: for what is in an archive. member, kind, patterns: of a fetch.
    fault, detail: why a file cannot be read.
    """

    origin: str
    path: str | None
    file_name: str | None
    sha256: str
    size: int
    start: int
    end: int
    format: str | None
    media_type: str
    extension_format: str
    charset: str | None
    is_charset_declared: bool
    messages_from: dict[str, Any] | None
    is_copied: bool
    is_archive: bool
    prefix: str
    include: list[str]
    exclude: list[str]
    labels: list[dict[str, str | None]]
    label_table: dict[str, dict[str, str]]
    package: str | None
    version: str | None
    kind: str
    url: str | None
    member: str | None
    repository: str
    revision: str
    patterns: list[str]
    fault: str
    detail: str


# what is the same for all files of a source, but for labels
SOURCE_FACTS = ("role", *LABELS, "origin", "package", "version", "url", "repository", "revision")
