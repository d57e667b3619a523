"""Terms of an ontology in OBO format (1.2 or 1.4).

In: the whole file and a byte range. Out: one piece for each live term whose stanza begins in the range. The file is
read twice, because a term's group and its parents' names may be anywhere in it: for the hierarchy, and for the terms,
of which one is held at a time. Property kept: the pieces of all ranges are those of the whole file. Each range costs
as much as the file, so the inventory does not cut ontologies (`segments.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from domainlm.raw.surrogates import without_surrogates
from domainlm.text.characters import single_line
from domainlm.text.reading.pieces import Piece, Rejection

# a line is read in parts of this size, and one of several is no term's
MAX_LINE_BYTES = 1 << 20
# ontologies are some 40 levels deep; without a limit a chain of n terms takes n * n steps
MAX_ANCESTORS = 200
_QUOTED = re.compile(r'[^"]*"([^"\\]*+(?>(?:\\.[^"\\]*+)*))"\s*([A-Z]*)')
# all that the hierarchy is made of
_OUTLINE = (b"id:", b"name:", b"is_a:", b"is_obsolete:")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "W": " "}
_IDENTIFIER = re.compile(r"[^\s{!]+")


@dataclass
class Term:
    """One stanza. start, end: its bytes in the file."""

    start: int
    end: int = -1
    identifier: str = ""
    name: str = ""
    definition: str = ""
    comment: str = ""
    synonyms: list[str] = field(default_factory=list)
    parents: list[str] = field(default_factory=list)
    is_obsolete: bool = False
    is_undecodable: bool = False
    is_too_long: bool = False


@dataclass
class Hierarchy:
    """Names and parents of the terms of a file, in its order."""

    names: dict[str, str] = field(default_factory=dict)
    parents: dict[str, tuple[str, ...]] = field(default_factory=dict)
    children: dict[str, int] = field(default_factory=dict)

    def add(self, term: Term) -> None:
        self.names[term.identifier] = term.name
        self.parents[term.identifier] = tuple(term.parents)
        for parent in term.parents:
            self.children[parent] = self.children.get(parent, 0) + 1

    def group(self, identifier: str, depth: int) -> str:
        """Root of the subtree at a depth on the first-parent path.

        It is the term itself if it is above that depth.
        """
        path = {identifier: None}
        last = identifier
        while (parents := self.parents.get(last)) and parents[0] not in path and len(path) <= MAX_ANCESTORS:
            last = parents[0]
            path[last] = None
        return list(path)[-1 - min(depth, len(path) - 1)]


def unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[1]), text)


def _read_tag(term: Term, tag: str, value: str) -> None:
    if tag == "id":
        term.identifier = value.strip()
    elif tag == "name":
        term.name = single_line(unescaped(value))
    elif tag == "comment":
        term.comment = unescaped(value).strip()
    elif tag == "is_obsolete":
        term.is_obsolete = value.strip().startswith("true")
    elif tag == "is_a" and (found := _IDENTIFIER.match(value.strip())):
        term.parents.append(found[0])
    elif tag in ("def", "synonym") and (quoted := _QUOTED.match(value)):
        text = single_line(unescaped(quoted[1]))
        if tag == "def":
            term.definition = text
        # broader, narrower and related synonyms name other things
        elif quoted[2] == "EXACT" and "obsolete_synonym" not in value:
            term.synonyms.append(text)


def stanzas(file: BinaryIO, is_outline: bool = False) -> Iterator[Term]:
    """Terms of the file, in order.

    is_outline: without their texts, in half the time.
    """
    file.seek(0)
    term: Term | None = None
    offset = 0
    is_rest = False
    while raw := file.readline(MAX_LINE_BYTES):
        is_part = len(raw) == MAX_LINE_BYTES and not raw.endswith(b"\n")
        if is_part or is_rest:
            if term is not None:
                term.is_too_long = True
        elif raw.startswith(b"["):
            if term is not None:
                term.end = offset
                yield term
            term = Term(offset) if raw.rstrip() == b"[Term]" else None
        elif term is not None and b":" in raw and (not is_outline or raw.startswith(_OUTLINE)):
            try:
                line = raw.decode("utf-8")
            except UnicodeDecodeError:
                term.is_undecodable = True
                line = raw.decode("utf-8", "replace")
            tag, _, value = line.partition(":")
            _read_tag(term, tag, value.strip())
        is_rest = is_part
        offset += len(raw)
    if term is not None:
        term.end = offset
        yield term


def text_of(term: Term, parents: list[str]) -> str:
    """The term as prose: name, definition and comment, synonyms, parents.

    Missing parts are skipped.
    """
    prose = " ".join(part for part in (term.definition, term.comment) if part)
    relations = []
    if term.synonyms:
        relations.append(f"Synonyms: {'; '.join(term.synonyms)}.\n")
    if parents:
        relations.append(f"A kind of: {'; '.join(parents)}.\n")
    return "\n\n".join(part for part in (term.name, prose, "".join(relations)) if part)


def _rejected(term: Term, first: dict[str, int]) -> Rejection | None:
    name = term.identifier or f"the stanza at byte {term.start}"
    if not term.identifier or not term.name:
        return Rejection("incomplete_record", f"{name} has no {'name' if term.identifier else 'id'}")
    if term.is_too_long:
        return Rejection("too_large", f"{name} has a line of more than {MAX_LINE_BYTES} bytes")
    if term.is_undecodable:
        return Rejection("undecodable", f"{name} is not UTF-8")
    if term.is_obsolete:
        return Rejection("obsolete", name)
    if first[term.identifier] != term.start:
        return Rejection("repeated_record", f"{name} at byte {term.start} is also at byte {first[term.identifier]}")
    return None


def read_obo(file: BinaryIO, start: int, end: int, group_depth: int) -> Iterator[Piece | Rejection]:
    """Pieces of the terms that begin in bytes [start, end)."""
    hierarchy = Hierarchy()
    first: dict[str, int] = {}
    for term in stanzas(file, is_outline=True):
        if term.identifier and term.identifier not in first:
            first[term.identifier] = term.start
            if not term.is_obsolete:
                hierarchy.add(term)
    for term in stanzas(file):
        if not start <= term.start < end:
            continue
        rejection = _rejected(term, first)
        if rejection is not None:
            yield rejection
            continue
        known = {term.name.lower()}
        # the layperson's synonym often repeats the name
        term.synonyms = [s for s in term.synonyms if not (s.lower() in known or known.add(s.lower()))]  # type: ignore[func-returns-value]
        parents = [hierarchy.names[parent] for parent in term.parents if hierarchy.names.get(parent)]
        meta = {
            "definition": term.definition,
            "comment": term.comment,
            "synonyms": term.synonyms,
            "parents": parents,
            "children_count": hierarchy.children.get(term.identifier, 0),
        }
        yield Piece(
            section=term.identifier,
            part="0",
            start=term.start,
            end=term.end,
            title=term.name,
            text=without_surrogates(text_of(term, parents)),
            group=hierarchy.group(term.identifier, group_depth),
            links=tuple(term.parents),
            meta=json.dumps(meta, sort_keys=True, ensure_ascii=False),
        )
