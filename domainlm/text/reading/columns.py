"""The columns of tables: those read, and names to show.

In: the names of a table's columns. Out: those to read, or why no row can have a text. A name that may be a person's
words is not shown, because a first row that is no heading may be a person's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from domainlm.config.text import Documents
from domainlm.raw.unreadable import Unreadable
from domainlm.text.characters import letter_count

MAX_NAME_CHARS = 40
_MARKS_OF_NAMES = re.compile("[0-9_.-]+")
_NO_NAME = re.compile("[0-9.-]|.*[0-9]{5}", re.DOTALL)


def is_name(text: str) -> bool:
    """Whether a text may be a column's name.

    It must have no whitespace, which names of persons and addresses have.
    """
    letters = _MARKS_OF_NAMES.sub("", text)
    return len(text) <= MAX_NAME_CHARS and not _NO_NAME.match(text) and letter_count(letters) == len(letters)


def alike_names(names: Iterable[str], wanted: str) -> list[str]:
    """The names that are a configured one but for capitals and blanks."""
    folded = wanted.strip().casefold()
    return [name for name in names if name.strip().casefold() == folded]


def missing_text(config: Documents, columns: list[str], role: str) -> Unreadable | None:
    """Why no row of a table can have a text, or None."""
    # each row of instruction data is refused with the fields that it has
    if role == "instruction":
        return None
    wanted = config.text_field
    alike = alike_names(columns, wanted)
    if wanted in columns or wanted.split(".")[0] in columns or "messages" in columns or len(alike) == 1:
        return None
    if alike:
        several = f"{len(alike)} columns are {wanted!r} but for capitals and blanks around it: {', '.join(alike)}"
        return Unreadable("no_text_field", f"{several}; name one of them in documents.text_field")
    if all(map(is_name, columns)):
        shown = f"among: {', '.join(columns[:20])}"
    else:
        # a first row that is no heading may be a person's
        shown = f"among {len(columns)}, which are not shown: not all are plain names (is the first row no heading?)"
    return Unreadable("no_text_field", f"no column {wanted!r} (documents.text_field) {shown}")


def wanted_columns(names: list[str], role: str, config: Documents) -> list[str]:
    """The columns that hold the configured fields, and `messages`.

    Of instruction data all: its form is known by their names, and the refusal of a row names them.
    """
    if role == "instruction":
        return list(dict.fromkeys(names))
    fields = [config.text_field, config.title_field, *config.meta_fields, "messages"]
    fields += [] if config.group_field is None else [config.group_field]
    tops = {field if field in names else field.split(".")[0] for field in fields}
    tops.update(name for field in fields if field not in names for name in alike_names(names, field))
    return [name for name in dict.fromkeys(names) if name in tops]
