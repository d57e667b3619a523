"""Names of files, in folders and in archives.

In: a name as the bytes in the file system or the archive. Out: text that is the same whatever the locale, without
lone surrogates, which no table of documents could store.
"""

from __future__ import annotations


def readable_name(name: bytes) -> str:
    """A file name as text: UTF-8, else GBK, else with escapes.

    GBK is the encoding of Chinese Windows. The escapes stand for bytes that are not ASCII.
    """
    for charset in ("utf-8", "gbk"):
        try:
            return name.decode(charset)
        except UnicodeDecodeError:
            pass
    return name.decode("ascii", "backslashreplace")


def is_inside(name: str) -> bool:
    """Whether a member's name stays below the archive on every system."""
    parts = name.replace("\\", "/").split("/")
    is_relative = not name.startswith(("/", "\\")) and name[1:2] != ":" and "\0" not in name
    return is_relative and ".." not in parts and any(part not in ("", ".") for part in parts)
