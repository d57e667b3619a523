"""A full file system, named in the error that it causes.

In: a block of a build. Out: `FullDisk`, whose message names the file system and the way to continue, whatever error the
block raised.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from domainlm.contract import StageError
from domainlm.store.space import explain_full_disk


class FullDisk(StageError):
    """A file system is full; the message names it and the remedy."""


@contextmanager
def naming_full_disk(project: Path, store: Path) -> Iterator[None]:
    """Raise FullDisk for every error that a full file system causes."""
    try:
        yield
    except FullDisk:
        raise
    except Exception as error:
        words = explain_full_disk(error, (store, project), isinstance(error, StageError))
        if words is None:
            raise
        raise FullDisk(words) from error
