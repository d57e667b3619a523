"""The rows of instruction data within a JSON value.

In: the value of a file, or of one of its lines, and `messages_from` of its source. Out: rows, each an object or a list
of turns. Property kept: an object that is itself a row is never taken apart, because lists within it are its turns;
and what is no row is given whole, so that its refusal names its own fields.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from domainlm.text.reading.columns import alike_names
from domainlm.text.reading.conversation_forms import (
    ANSWERS,
    CONTEXTS,
    OTHER_TURN_LISTS,
    QUESTIONS,
    SYSTEMS,
    TURN_LISTS,
    is_filled,
    names_of,
    plain_name,
)
from domainlm.text.reading.conversations import field_of
from domainlm.text.reading.preference_forms import preference_in
from domainlm.text.reading.turn_lists import are_spoken, has_speaker, is_turn, turns_in

# names under which exports put their rows in one object
WRAPPERS = (
    *("data", "records", "rows", "items", "examples", "documents", "entries", "samples", "instances", "results"),
    *("train", "validation", "valid", "dev", "test", "conversations"),
)
# the parts of a table as pandas writes it (orient="split")
_TABLE = ("columns", "data")


def rows_within(value: Any, mapping: Mapping[str, Any] | None = None) -> list[Any]:
    """The rows of a whole JSON value.

    They are an array's elements, those of arrays within it (`jq -s` makes one of several files), those of the arrays or
    objects within an object that is no row itself (`{"data": [...]}`, `{"train": [...], "test": [...]}`), the rows of
    columns, or the value.
    """
    if isinstance(value, list):
        if are_spoken(value):
            return [value]
        rows = _rows_below_heading(value, mapping)
        return [row for each in value for row in _rows_of_element(each, mapping)] if rows is None else rows
    if not isinstance(value, dict):
        return [value]
    if (rows := _rows_of_columns(value, mapping)) is not None:
        return rows
    if _is_row(value, mapping):
        return [value]
    lists = {
        name: each
        for name, each in value.items()
        if isinstance(each, list) and each and isinstance(each[0], dict | list)
    }
    rows = [row for each in lists.values() for row in rows_within(each, mapping)]
    is_wrapper = len(lists) == len(value) or any(plain_name(str(name)) in WRAPPERS for name in lists)
    if lists and (is_wrapper or any(_is_row(row, mapping) for row in rows)) and not _says_something(value):
        return rows
    objects = [each for each in value.values() if isinstance(each, dict)]
    is_index = len(objects) == len(value) > 0 and any(_is_row(each, mapping) for each in objects)
    return objects if is_index else [value]


def rows_of_line(value: Any, mapping: Mapping[str, Any] | None = None) -> list[Any]:
    """The rows of a line's value.

    They are those of an array, or of an object whose one list is known to wrap rows. A line is a row nearly always, so
    that other lists within an object are its own.
    """
    if isinstance(value, list):
        # a list of texts is one conversation
        return rows_within(value, mapping) if all(isinstance(each, dict | list) for each in value) else [value]
    if not isinstance(value, dict) or _is_row(value, mapping):
        return [value]
    lists = [name for name, each in value.items() if isinstance(each, list)]
    is_wrapper = len(lists) == 1 and plain_name(str(lists[0])) in WRAPPERS
    return rows_within(value, mapping) if is_wrapper else [value]


def _rows_of_element(value: Any, mapping: Mapping[str, Any] | None) -> list[Any]:
    """The rows that an array's element stands for, itself mostly.

    A list is a conversation if its objects say who speaks, or its elements are texts. A list of other objects is a file's
    rows: as turns of one conversation, rows that have nothing to do with each other would be learned. Lists of texts
    within a list may be either, so that it is given whole, and refused.
    """
    if isinstance(value, dict):
        rows = rows_of_line(value, mapping)
        return rows if any(_is_row(row, mapping) for row in rows) else [value]
    if not isinstance(value, list) or not value:
        return [value]
    if (below := _rows_below_heading(value, mapping)) is not None:
        return below
    are_rows = all(isinstance(each, dict) and not are_spoken([each]) for each in value)
    are_lists = all(
        isinstance(each, list) and (not each or not all(isinstance(x, str) for x in each)) for each in value
    )
    return rows_within(value, mapping) if are_rows or are_lists else [value]


def _is_row(value: Any, mapping: Mapping[str, Any] | None) -> bool:
    """Whether a value is a row, by the names of its fields."""
    if not isinstance(value, dict):
        return are_spoken(value)
    if mapping is not None:
        return any(field_of(value, name) is not None for name in _mapped_names(mapping))
    named = names_of(value)
    turns = [each for name in TURN_LISTS if isinstance(each := turns_in(named.get(name)), list) and each]
    others = any(are_spoken(turns_in(named.get(name))) for name in OTHER_TURN_LISTS)
    return _is_pair(named) or others or any(all(map(is_turn, each)) for each in turns) or bool(preference_in(named))


def _is_pair(names: Any) -> bool:
    return any(name in names for name in QUESTIONS) and any(name in names for name in ANSWERS)


def _says_something(value: Mapping[str, Any]) -> bool:
    """Whether an object has words that its rows would lose."""
    named = names_of(value)
    words = (*QUESTIONS, *ANSWERS, *CONTEXTS, *SYSTEMS)
    return any(isinstance(named.get(name), str) and is_filled(named[name]) for name in words)


def _mapped_names(mapping: Mapping[str, Any]) -> list[str]:
    given = [mapping.get(key) for key in ("turns", "user", "assistant")]
    return [name for each in given if each for name in ([each] if isinstance(each, str) else each)]


def _is_named(names: Sequence[Any], mapping: Mapping[str, Any] | None) -> bool:
    """Whether columns have the names of a question and its answer."""
    if mapping is not None:
        return all(name in names or len(alike_names(names, name)) == 1 for name in _mapped_names(mapping))
    plain = {plain_name(str(name)) for name in names}
    return _is_pair(plain) or not plain.isdisjoint(TURN_LISTS)


def _rows_of_columns(value: Mapping[str, Any], mapping: Mapping[str, Any] | None) -> list[Any] | None:
    """The rows of a table that an object holds, or None.

    It holds columns as lists, as objects by row (pandas), or names and rows apart.
    """
    names, rows = (value.get(part) for part in _TABLE)
    if isinstance(names, list) and isinstance(rows, list) and all(isinstance(row, list) for row in rows):
        if not rows:
            return None
        # whose columns do not fit is no row, and no conversation of its cells either
        is_even = all(len(row) == len(names) for row in rows)
        return [dict(zip(map(str, names), row, strict=True)) for row in rows] if is_even else [value]
    if not _is_named(list(value), mapping):
        return None
    columns = list(value.values())
    if all(isinstance(each, list) for each in columns) and len({len(each) for each in columns}) == 1:
        said = [each for name, each in value.items() if _is_said(name, mapping)]
        if not any(isinstance(cell, dict | list) for column in said for cell in column) and (
            mapping is not None or not _are_turns(value, said)
        ):
            return [dict(zip(value, cells, strict=True)) for cells in zip(*columns, strict=True)]
    are_alike = all(isinstance(each, dict) for each in columns) and len({tuple(each) for each in columns}) == 1
    # a table's rows are numbered or named alike in all columns; turns as columns have names of speakers
    if are_alike and columns[0] and not has_speaker(columns[0]):
        return [{name: each[key] for name, each in value.items()} for key in columns[0]]
    return None


def _are_turns(value: Mapping[str, Any], said: Sequence[Sequence[Any]]) -> bool:
    """Whether a column is the texts of one conversation, which take turns.

    A table's cell would hold a conversation as JSON.
    """
    is_list = not _is_pair({plain_name(str(name)) for name in value})
    cells = [cell for column in said for cell in column]
    return is_list and not any(isinstance(cell, str) and cell.lstrip()[:1] in ("[", "{") for cell in cells)


def _is_said(name: Any, mapping: Mapping[str, Any] | None) -> bool:
    """Whether a column holds words, and not a list for each row."""
    plain = plain_name(str(name))
    return name in _mapped_names(mapping) if mapping is not None else plain in (*QUESTIONS, *ANSWERS, *TURN_LISTS)


def _rows_below_heading(rows: list[Any], mapping: Mapping[str, Any] | None) -> list[Any] | None:
    """The rows of arrays below one that names columns."""
    if len(rows) < 2 or not all(isinstance(row, list) and len(row) == len(rows[0]) > 1 for row in rows):
        return None
    if not all(isinstance(name, str) for name in rows[0]) or not _is_named(rows[0], mapping):
        return None
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
