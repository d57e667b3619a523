"""The survey of a folder, in words.

In: a `Survey`, and the sources and the configuration that were made from it. Out: notes, the most urgent first, each
with the remedy; tables.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table

from domainlm.config.domain import DomainConfig
from domainlm.config.resolve import DEFAULT_FILE
from domainlm.scaffold.domain_file import MAIN_LANGUAGE_SHARE, files_in_words
from domainlm.scaffold.findings import FormatCount, Survey
from domainlm.terminal import line
from domainlm.wording import bytes_in_words

# a token has about this many bytes of UTF-8
BYTES_PER_TOKEN = 4
# rows of a table; the rest is in --json
MAX_ROWS = 12


def notes_of(found: Survey, sources: Mapping[str, Mapping[str, str]], config: DomainConfig) -> Iterator[str]:
    """Notes for the time before a build, the most urgent first."""
    corpus = next(iter(sources.values()))
    if found.by_name:
        yield f"detected by their names alone: {found.by_name} of {found.files} files"
    if found.unlooked:
        yield f"archives that were not read, or not to their end: {found.unlooked}"
    if found.tried < found.text_files:
        yield f"languages and character sets are those of a sample, {found.tried} of {found.text_files} files"
    if found.other_names:
        yield f"names of files that are not UTF-8, and are read as GBK: {found.other_names}"
    if corpus["licence"] == "unstated":
        yield "no licence is stated: state it in the file, or by --licence; every document carries it to the report"
    outside = [source["local"] for source in sources.values() if os.path.isabs(source["local"])]
    if outside:
        yield f"{', '.join(outside)} lies outside the project: the domain builds on this machine only; to share it, move it below data/"
    if found.text_files < config.corpus_split.min_documents:
        yield (
            f"the split before training needs at least {config.corpus_split.min_documents} documents "
            f"(corpus_split.min_documents); a file gives one or more, and the folder has {found.text_files}"
        )
    budget = config.corpus_split.max_train_tokens
    if budget is not None and found.size_bytes > BYTES_PER_TOKEN * budget:
        yield f"training uses {budget} tokens of the text (corpus_split.max_train_tokens, null: all); raise it for more text and time"
    shares = found.language_shares()
    other = {name: share for name, share in shares.items() if name != "en"}
    if sum(other.values()) > 1 - MAIN_LANGUAGE_SHARE and "base_model" not in {s["role"] for s in sources.values()}:
        base = next(name for name, source in config.sources.items() if source.role == "base_model")
        yield f"the base model is {base} of {DEFAULT_FILE}; give one that knows {', '.join(other)} by --base PATH"


def _counted(found: Mapping[str, int]) -> str:
    """'zh 12, en 3', the largest count first."""
    return ", ".join(f"{name} {count}" for name, count in sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _format_row(found: FormatCount) -> list[str]:
    sizes = [str(found.files), bytes_in_words(found.size_bytes)]
    return [found.name, *sizes, _counted(found.languages), _counted(found.charsets)]


def render(folder: str, found: Survey, notes: Sequence[str]) -> RenderableType:
    """The survey as text for a person."""
    formats = _table("format", ">files", ">size", "languages", "character sets")
    for each in found.formats:
        formats.add_row(*map(line, _format_row(each)))
    parts: list[RenderableType] = [line(f"{folder}: {files_in_words(found)}"), formats, ""]
    if found.unread:
        unread = _table("not read", ">files", "for example", "because")
        for why in found.unread[:MAX_ROWS]:
            files = str(why.files) if why.of is None else f"{why.files} of {why.of} tried"
            unread.add_row(*map(line, (why.reason, files, why.example, why.detail)))
        more = len(found.unread) - MAX_ROWS
        parts += [unread, *([line(f"and {more} more kinds: --json lists all")] if more > 0 else []), ""]
    if notes:
        parts += [*(line(f"note: {note}") for note in notes), ""]
    return Group(*parts)


def _table(*names: str) -> Table:
    """A table of columns.

    A name with > before it belongs to a column of numbers, aligned to the right.
    """
    table = Table(box=None, header_style="bold", pad_edge=False, collapse_padding=True)
    for name in names:
        table.add_column(name.lstrip(">"), overflow="fold", justify="right" if name[0] == ">" else "left")
    return table
