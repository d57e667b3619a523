"""`domainlm new`: a domain's file, made of a look at a folder of files.

In: a name, a folder, perhaps instruction data, a base model and a licence. Out: a `Scaffold`: what the folder holds, the text of
`config/domains/NAME.yaml`, and what is worth knowing before a build. Property kept: the text is a function of the arguments, of
the folder's names and contents and of `config/config.yaml`; it has passed the resolver, and what it names has been read by the
readers and checks of a build, so that no first run ends at a line that was written here. A file that is there is never replaced.

The inherited texts are left out by name, one line each. A folder of one's own needs that: roles replace only their own kind
(ADR 0005), so the default domain's general text, evaluation sets and conversations would be fetched, trained on and measured
on beside it, in English, whatever the folder is in. `extends` of an empty domain was not taken: what is left out would not be seen.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table

from domainlm.config.domain import DomainConfig
from domainlm.configuration_error import ConfigurationError
from domainlm.resolve import (
    DEFAULT_FILE,
    Layer,
    checked_domain,
    default_domain,
    load_yaml,
    read_layer,
    shown,
    validate,
    with_word_lists,
)
from domainlm.terminal import line
from domainlm.upkeep.domain_file import MAIN_LANGUAGE_SHARE, about, domain_text, free_name, left_out_of, sections_of
from domainlm.upkeep.given import check_base_model, check_instructions
from domainlm.upkeep.survey import FormatCount, Survey, survey
from domainlm.wording import bytes_in_words

Progress = Callable[[int, int, Mapping[str, float]], None]
# of UTF-8, a token has about so many
BYTES_PER_TOKEN = 4
# of a table; the rest is in --json
MAX_ROWS = 12


@dataclass(frozen=True)
class Request:
    """What a domain is made of: paths as they were given, None where nothing was."""

    name: str
    folder: str
    instructions: str | None = None
    base_model: str | None = None
    licence: str | None = None


@dataclass(frozen=True)
class Scaffold:
    """file: of the domain, relative to the project. text: what stands in it."""

    domain: str
    folder: str
    file: str
    text: str
    survey: Survey
    notes: tuple[str, ...]

    @property
    def command(self) -> str:
        return f"snakemake --cores all unique_shards --config domain={self.domain}"

    def as_json(self) -> dict[str, Any]:
        found = {"domain": self.domain, "folder": self.folder, "file": self.file, "yaml": self.text}
        shares = {name: round(share, 4) for name, share in self.survey.language_shares().items()}
        seen = {**asdict(self.survey), "language_shares": shares}
        return {**found, "survey": seen, "notes": list(self.notes), "command": self.command}


def plan_domain(project: Path, request: Request, progress: Progress) -> Scaffold:
    """Look at the files and make the text; nothing is written. Raises ConfigurationError."""
    name = checked_domain(request.name, "NAME")
    file = f"config/domains/{name}.yaml"
    if request.licence is not None and not request.licence.isprintable():
        raise ConfigurationError(f"--licence: {shown(request.licence)}; expected a line of text such as CC-BY-4.0")
    if name == default_domain(project):
        raise ConfigurationError(
            f"NAME: {name} is the default domain, which {DEFAULT_FILE} describes; expected another name"
        )
    if os.path.lexists(project / file):
        raise _exists(file)
    inherited = read_layer(project, DEFAULT_FILE).values.get("sources") or {}
    folder = checked_folder(project, request.folder)
    licence = "unstated" if request.licence is None else request.licence
    sources = {free_name(name, inherited): {"role": "corpus", "local": folder, "licence": licence}}
    for role, given, option in (
        ("instruction", request.instructions, "--sft"),
        ("base_model", request.base_model, "--base"),
    ):
        if given is not None:
            path = checked_path(project, given, option)
            sources[free_name(f"{name}_{role}", inherited)] = {"role": role, "local": path}
    left_out = left_out_of(sources, inherited)
    config = _resolved(project, file, domain_text(sources, left_out, {}, ""))
    corpus, *others = sources
    notes = [note for other in others for note in _checked(project, other, config)]
    found = survey(project, corpus, config, progress)
    check_something_is_read(request.folder, found)
    notes += _notes(found, sources, config)
    text = domain_text(sources, left_out, sections_of(found, config), about(found))
    _resolved(project, file, text)
    return Scaffold(name, folder, file, text, found, tuple(notes))


def write_domain(project: Path, scaffold: Scaffold) -> None:
    """Write the domain's file. Raises ConfigurationError where there is one by now."""
    path = project / scaffold.file
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(scaffold.text)
    except FileExistsError:
        raise _exists(scaffold.file) from None


def _checked(project: Path, name: str, config: DomainConfig) -> list[str]:
    """Notes on what was given beside the folder. Raises ConfigurationError where a build would stop at it."""
    if config.sources[name].role == "base_model":
        check_base_model(project, name, config)
        return []
    return check_instructions(project, name, config)


def _exists(file: str) -> ConfigurationError:
    return ConfigurationError(
        f"{file} is there already, and is not written over; choose another name, or remove it to have it made anew"
    )


def checked_path(project: Path, given: str, where: str) -> str:
    """A path as the configuration names it: relative to the project, or absolute outside of it. Raises ConfigurationError."""
    path = os.path.abspath(os.path.join(project, os.path.expanduser(given)))
    if not given or not os.path.exists(path):
        raise ConfigurationError(f"{where}: {shown(given)} does not exist; expected a path relative to {project}")
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        raise ConfigurationError(
            f"{where}: the path {shown(given)} is not UTF-8, which no configuration can name; rename the folder, or link to it "
            "under another name (what is in it may be called as it is)"
        ) from None
    # not resolved: a link below data/ may lead anywhere
    root = os.path.abspath(project)
    return os.path.relpath(path, root) if _is_within(path, root) else path


def checked_folder(project: Path, given: str) -> str:
    """The folder of a corpus, or one file or archive. Raises ConfigurationError, also where it holds the project itself."""
    found = checked_path(project, given, "FOLDER")
    real, root = os.path.realpath(project / found), os.path.realpath(project)
    if _is_within(root, real):
        raise ConfigurationError(
            f"FOLDER: {shown(given)} holds the project itself; expected a folder of texts only, such as data/NAME"
        )
    is_empty = os.path.isdir(real) and not any(
        not name.startswith(".") for _, _, names in os.walk(real, followlinks=True) for name in names
    )
    if is_empty:
        raise ConfigurationError(
            f"FOLDER: {shown(given)} holds no file (hidden ones, whose names begin with a dot, do not count); put the texts there"
        )
    return found


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _resolved(project: Path, file: str, text: str) -> DomainConfig:
    """The configuration that a text makes, as a run would resolve it. Raises ConfigurationError."""
    domain = Path(file).stem
    layer = Layer(file, {**load_yaml(text, file), "domain": domain})
    return with_word_lists(project, validate([read_layer(project, DEFAULT_FILE), layer]))


def check_something_is_read(given: str, found: Survey) -> None:
    """Raises ConfigurationError where a build would find no text."""
    is_all_known = found.tried == found.text_files and not found.unlooked
    refused = sum(unread.files for unread in found.unread if unread.of is not None)
    if is_all_known and refused == found.tried:
        reasons = "; ".join(f"{each.files} {each.reason} ({each.detail}): {each.example}" for each in found.unread[:5])
        raise ConfigurationError(
            f"FOLDER: none of the {found.files} files of {shown(given)} would give text: {reasons}; see docs/how-to/sources.md "
            "for what is read"
        )


def _notes(found: Survey, sources: Mapping[str, Mapping[str, str]], config: DomainConfig) -> Iterator[str]:
    """What is worth knowing before a build, the nearest first."""
    corpus = next(iter(sources.values()))
    if found.by_name:
        yield f"told by their names alone: {found.by_name} of {found.files} files"
    if found.unlooked:
        yield f"archives that were not looked into, or not to their end: {found.unlooked}"
    if found.tried < found.text_files:
        yield f"languages and character sets are those of a sample, {found.tried} of {found.text_files} files"
    if found.other_names:
        yield f"names of files that are not UTF-8, and are read as GBK: {found.other_names}"
    if corpus["licence"] == "unstated":
        yield "no licence is stated: say it in the file, or by --licence; every document carries it to the report"
    outside = [source["local"] for source in sources.values() if os.path.isabs(source["local"])]
    if outside:
        yield f"{', '.join(outside)} lies outside the project: the domain builds on this machine only; to share it, move it below data/"
    if found.text_files < config.corpus_split.min_documents:
        yield (
            f"a split, before training, takes at least {config.corpus_split.min_documents} documents "
            f"(corpus_split.min_documents); a file gives one or more, and here are {found.text_files}"
        )
    budget = config.corpus_split.max_train_tokens
    if budget is not None and found.size_bytes > BYTES_PER_TOKEN * budget:
        yield f"training takes {budget} tokens of it (corpus_split.max_train_tokens, null: all); raise it for more text and time"
    shares = found.language_shares()
    other = {name: share for name, share in shares.items() if name != "en"}
    if sum(other.values()) > 1 - MAIN_LANGUAGE_SHARE and "base_model" not in {s["role"] for s in sources.values()}:
        base = next(name for name, source in config.sources.items() if source.role == "base_model")
        yield f"the base model is {base} of {DEFAULT_FILE}: one that knows {', '.join(other)} is given by --base PATH"


def _counted(found: Mapping[str, int]) -> str:
    """'zh 12, en 3', the most first."""
    return ", ".join(f"{name} {count}" for name, count in sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _format_row(found: FormatCount) -> list[str]:
    sizes = [str(found.files), bytes_in_words(found.size_bytes)]
    return [found.name, *sizes, _counted(found.languages), _counted(found.charsets)]


def render(scaffold: Scaffold, is_written: bool) -> RenderableType:
    """What was found, what was written, and the next command."""
    found = scaffold.survey
    formats = Table(box=None, header_style="bold", pad_edge=False, collapse_padding=True)
    for name in ("format", "files", "size", "languages", "character sets"):
        formats.add_column(name, overflow="fold", justify="right" if name in ("files", "size") else "left")
    for each in found.formats:
        formats.add_row(*map(line, _format_row(each)))
    parts: list[RenderableType] = [
        line(f"{scaffold.folder}: {found.files} files, {bytes_in_words(found.size_bytes)}"),
        formats,
    ]
    if found.unread:
        unread = Table(box=None, header_style="bold", pad_edge=False, collapse_padding=True)
        for name in ("not read", "files", "for example", "because"):
            unread.add_column(name, overflow="fold", justify="right" if name == "files" else "left")
        for why in found.unread[:MAX_ROWS]:
            files = str(why.files) if why.of is None else f"{why.files} of {why.of} tried"
            unread.add_row(*map(line, (why.reason, files, why.example, why.detail)))
        parts += ["", unread]
        if len(found.unread) > MAX_ROWS:
            parts.append(line(f"and {len(found.unread) - MAX_ROWS} more reasons: --json lists all"))
    parts += ["", *(line(f"note: {note}") for note in scaffold.notes)]
    parts += ["", line(f"{scaffold.file} {'is written' if is_written else 'would be written'}:")]
    parts += [line(f"  {row}") for row in scaffold.text.splitlines()]
    return Group(*parts, "", line(f"next: {scaffold.command}"))
