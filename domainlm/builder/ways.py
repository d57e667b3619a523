"""The ways to an artifact, in the order of their trial.

In: a function for each way, which returns its result, or None. Out: the first result. Where no way leads to the
artifact, the stage runs. `build` and `outlook` each bring a table of functions, and the order is stated only here, so a
build does what `plan` predicts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import TypeVar

Asked = TypeVar("Asked")
Found = TypeVar("Found")


class Way(Enum):
    """The ways to an artifact without running its stage, the cheapest first."""

    INSTALLED = "it lies in its folder, untouched, with the record of this key"
    READ_ONLY_STORE = "in a store that this process may only read"
    STORE = "the store has a record of the key; files that it lost may lie in the folder"
    CHECKOUT = "only the folder has the record of the key and the bytes: a checkout from another machine"
    REMOTE = "the remote has a record of the key"
    ALTERNATIVE = "the store has another output of the key, and its bytes"


# a lease is a file of the store; these ways need none and are tried before it is waited for
WITHOUT_LEASE = (Way.INSTALLED, Way.READ_ONLY_STORE)
WITH_LEASE = tuple(way for way in Way if way not in WITHOUT_LEASE)


def first_found(
    ways: Iterable[Way], steps: Mapping[Way, Callable[[Asked], Found | None]], asked: Asked
) -> Found | None:
    """The result of the first way that leads to the artifact.

    None: no way does. Later ways are not tried.
    """
    return next((found for way in ways if (found := steps[way](asked)) is not None), None)
