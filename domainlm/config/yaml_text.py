"""YAML 1.2 by its core schema, within bounds.

In: the text of a configuration. Out: mappings, lists, texts, numbers, booleans and nulls. Properties kept: a value has
the meaning of the YAML 1.2 specification (`017` is 17; `no`, `1:30` and a date are text), so another tool that reads
the file sees the built values; and any text is read in a moment, for a domain file may come from a stranger. Features
outside the core schema (tags, merge keys, keys that are not text) are refused rather than guessed at. It is built on
PyYAML's events and not on its loaders, because these read YAML 1.1, recurse as deep as the text does, and expand
aliases without a limit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml import events

MAX_CHARS = 1_000_000
MAX_DEPTH = 100
MAX_KEY_CHARS = 1000
# size of all values with every alias written out: their characters, and for each value the characters of a short one
MAX_EXPANDED_CHARS = 2_000_000
CHARS_OF_A_VALUE = 10
# no knob takes a longer number, a commit has 40 digits, and Python reads no more than 4300
MAX_NUMBER_CHARS = 39
_TEXT_TAG = "tag:yaml.org,2002:str"
_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_BOOLEAN = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", re.ASCII)
_FLOAT = re.compile(
    r"[-+]?(?:(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|\.(?:inf|Inf|INF))|\.(?:nan|NaN|NAN)", re.ASCII
)
# control characters, halves of pairs, and characters that end a line in YAML 1.1 and not in 1.2
_REFUSED = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# characters that an escape can write and that neither a file's name nor UTF-8 can hold
_IN_NO_TEXT = re.compile("[\0\ud800-\udfff]")


class InvalidYaml(ValueError):
    """The fault of a text.

    line, column: its place, from 1.
    """

    def __init__(self, problem: str, line: int, column: int) -> None:
        super().__init__(problem, line, column)
        self.problem, self.line, self.column = problem, line, column

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {self.problem}"


def _at(mark: Any, problem: str) -> InvalidYaml:
    return InvalidYaml(problem, mark.line + 1, mark.column + 1) if mark is not None else InvalidYaml(problem, 1, 1)


def _invalid(problem: str, event: events.Event) -> InvalidYaml:
    return _at(event.start_mark, problem)


def _number(text: str, event: events.Event) -> int | float | None:
    """The number that a plain scalar denotes, or None."""
    is_integer = _INTEGER.fullmatch(text) is not None
    if not is_integer and not _FLOAT.fullmatch(text):
        return None
    if len(text) > MAX_NUMBER_CHARS:
        raise _invalid(f"a number of {len(text)} characters; expected at most {MAX_NUMBER_CHARS}, or quotes", event)
    if not is_integer:
        return float(text.replace(".", "", 1) if text.lower().lstrip("+-") in (".inf", ".nan") else text)
    return int(text[2:], {"o": 8, "x": 16}[text[1]]) if text[1:2] in ("o", "x") else int(text)


def scalar(event: events.ScalarEvent) -> Any:
    """The value of one scalar, by the core schema.

    Raises InvalidYaml.
    """
    text: str = event.value
    if event.tag not in (None, "!", _TEXT_TAG):
        raise _invalid(f"tag {event.tag[:100]}: tags are not read; write the value itself, text in quotes", event)
    if (wrong := _IN_NO_TEXT.search(text)) is not None:
        raise _invalid(f"an escape writes U+{ord(wrong[0]):04X}, which no text holds; remove it", event)
    if event.tag is not None or not event.implicit[0]:
        return text
    if text in _NULL:
        return None
    if text in _BOOLEAN:
        return _BOOLEAN[text]
    number = _number(text, event)
    return text if number is None else number


def plain_value(text: str) -> Any:
    """The meaning of a text as a plain scalar.

    It is a number, boolean or null, else the text. Raises InvalidYaml.
    """
    is_short = len(text) <= MAX_NUMBER_CHARS
    return scalar(events.ScalarEvent(None, None, (is_short, True), text))  # type: ignore[no-untyped-call]


@dataclass
class _Reading:
    """Values made of the events of one document.

    anchors: value and size of each anchor, None while it is being read.
    """

    stream: Iterator[events.Event]
    anchors: dict[str, tuple[Any, int] | None] = field(default_factory=dict)
    size: int = 0

    def _take(self, size: int, event: events.Event) -> None:
        self.size += size
        if self.size > MAX_EXPANDED_CHARS:
            raise _invalid(
                f"the values up to here, with aliases written out, take more than {MAX_EXPANDED_CHARS} characters; "
                "keep long lists in files, and use fewer aliases",
                event,
            )

    def _of_alias(self, event: events.AliasEvent) -> Any:
        name = str(event.anchor)
        found = self.anchors.get(name)
        if found is None:
            wrong = "lies within what it names" if name in self.anchors else "names no anchor before it"
            raise _invalid(f"alias *{name[:100]} {wrong}", event)
        self._take(found[1], event)
        return found[0]

    def value(self, event: events.Event, depth: int = 0) -> Any:
        if isinstance(event, events.AliasEvent):
            return self._of_alias(event)
        assert isinstance(event, events.ScalarEvent | events.CollectionStartEvent)
        if depth > MAX_DEPTH:
            raise _invalid(f"nested deeper than {MAX_DEPTH} lists and mappings", event)
        before = self.size
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        self._take(CHARS_OF_A_VALUE, event)
        found: Any
        if isinstance(event, events.ScalarEvent):
            self._take(len(event.value), event)
            found = scalar(event)
        elif event.tag not in (None, "!"):
            raise _invalid(f"tag {event.tag[:100]}: tags are not read; write the list or mapping itself", event)
        elif isinstance(event, events.SequenceStartEvent):
            found = [self.value(item, depth + 1) for item in self._items(events.SequenceEndEvent)]
        else:
            found = self._mapping(depth)
        if event.anchor is not None:
            self.anchors[event.anchor] = (found, self.size - before)
        return found

    def _items(self, end: type[events.Event]) -> Iterator[events.Event]:
        while not isinstance(event := next(self.stream), end):
            yield event

    def _mapping(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for event in self._items(events.MappingEndEvent):
            is_merge = isinstance(event, events.ScalarEvent) and event.value == "<<" and event.implicit[0]
            if is_merge:
                raise _invalid("merge key <<: not part of YAML 1.2; write the keys out, or use `extends`", event)
            is_scalar = isinstance(event, events.ScalarEvent | events.AliasEvent)
            key = self.value(event, depth + 1) if is_scalar else None
            if not isinstance(key, str):
                kind = f"{type(key).__name__} {key!r}" if is_scalar else "list or mapping"
                raise _invalid(f"a key that is a {kind[:100]}; expected text: put it in quotes", event)
            if len(key) > MAX_KEY_CHARS:
                raise _invalid(f"a key of {len(key)} characters; expected at most {MAX_KEY_CHARS}", event)
            if key in found:
                raise _invalid(f"key {key!r} occurs twice; remove one", event)
            found[key] = self.value(next(self.stream), depth + 1)
        return found


def _events(text: str) -> Iterator[events.Event]:
    loader = yaml.SafeLoader(text)
    try:
        while loader.check_event():  # type: ignore[no-untyped-call]
            yield loader.get_event()  # type: ignore[no-untyped-call]
    except (ValueError, OverflowError) as error:
        # PyYAML does not check the size of numbers in escapes and directives
        raise _at(loader.get_mark(), "not valid YAML: an escape beyond U+10FFFF, or a version that is none") from error  # type: ignore[no-untyped-call]


def _document(text: str) -> Any:
    stream = _events(text)
    reading = _Reading(stream)
    found: Any = None
    documents = 0
    for event in stream:
        if isinstance(event, events.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise _invalid("a second document begins; expected one", event)
            if event.version not in (None, (1, 2)):
                raise _invalid("a directive asks for another version; expected YAML 1.2", event)
        elif isinstance(event, events.NodeEvent):
            found = reading.value(event)
    return found


def parsed_yaml(text: str) -> Any:
    """The one value of a text; None where it holds none.

    Raises InvalidYaml.
    """
    if len(text) > MAX_CHARS:
        raise InvalidYaml(f"more than {MAX_CHARS} characters; keep long lists in separate files", 1, 1)
    if (refused := _REFUSED.search(text.removeprefix("\ufeff"))) is not None:
        before = text[: text.index(refused[0])]
        column = len(before) - (before.rfind("\n") + 1) + 1
        problem = f"character U+{ord(refused[0]):04X} is not allowed; write it as an escape in double quotes"
        raise InvalidYaml(problem, before.count("\n") + 1, column)
    try:
        return _document(text)
    except yaml.MarkedYAMLError as error:
        problem = ", ".join(part for part in (error.context, error.problem) if part)
        raise _at(error.problem_mark or error.context_mark, f"not valid YAML: {problem[:300]}") from error
    except yaml.YAMLError as error:
        raise InvalidYaml(f"not valid YAML: {str(error)[:300]}", 1, 1) from error
