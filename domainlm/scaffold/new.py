"""`domainlm new`: a domain's file, written from a survey of a folder.

In: a name, a folder, perhaps instruction data, a base model and a licence. Out: a `Scaffold`: the survey of the folder,
the text of `config/domains/NAME.yaml`, and notes for the time before a build. Property kept: the text is a function of
the arguments, of the folder's names and contents and of `config/config.yaml`. It has passed the resolver, and the
readers and checks of a build have read the files that it names, so no first run ends at a line that was written here.
An existing file is never replaced.

The inherited texts are excluded by name, one line each, because roles replace only their own kind (ADR 0005): otherwise
the default domain's general text, evaluation sets and conversations would be fetched, trained on and measured on beside
the user's folder, in English, whatever the folder's language. `extends` of an empty domain was not chosen, because it
would not show the excluded texts.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType

from domainlm.config.domain import DomainConfig
from domainlm.config.errors import ConfigurationError
from domainlm.config.resolve import (
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
from domainlm.scaffold.domain_file import (
    about,
    domain_text,
    free_name,
    left_out_of,
    sections_of,
)
from domainlm.scaffold.findings import Survey
from domainlm.scaffold.given import check_base_model, check_instructions
from domainlm.scaffold.survey import survey
from domainlm.scaffold.survey_words import notes_of
from domainlm.scaffold.survey_words import render as survey_words
from domainlm.terminal import line

Progress = Callable[[int, int, Mapping[str, float]], None]


@dataclass(frozen=True)
class Request:
    """The arguments for a domain's file.

    Paths are kept as they were given; None: not given.
    """

    name: str
    folder: str
    instructions: str | None = None
    base_model: str | None = None
    licence: str | None = None


@dataclass(frozen=True)
class Scaffold:
    """A new domain's file, not written yet.

    file: its path, relative to the project. text: its content.
    """

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
    """Survey the files and make the text; nothing is written.

    Raises ConfigurationError.
    """
    name = checked_domain(request.name, "NAME")
    file = f"config/domains/{name}.yaml"
    if request.licence is not None and not (request.licence.isprintable() and request.licence.strip()):
        raise ConfigurationError(f"--licence: {shown(request.licence)}; expected a line of text such as CC-BY-4.0")
    if name == default_domain(project):
        raise ConfigurationError(
            f"NAME: {name} is the default domain, which {DEFAULT_FILE} describes; expected another name"
        )
    if os.path.lexists(project / file):
        raise _exists(file)
    inherited = read_layer(project, DEFAULT_FILE).values.get("sources")
    # the resolver reports the fault of any other value
    inherited = inherited if isinstance(inherited, Mapping) else {}
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
    notes += notes_of(found, sources, config)
    text = domain_text(sources, left_out, sections_of(found, config), about(found))
    _resolved(project, file, text)
    return Scaffold(name, folder, file, text, found, tuple(notes))


def write_domain(project: Path, scaffold: Scaffold) -> None:
    """Write the domain's file.

    Raises ConfigurationError where the file exists by now.
    """
    path = project / scaffold.file
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(scaffold.text)
    except FileExistsError:
        raise _exists(scaffold.file) from None


def _checked(project: Path, name: str, config: DomainConfig) -> list[str]:
    """Notes on the optional arguments.

    Raises ConfigurationError where a build would stop at them.
    """
    if config.sources[name].role == "base_model":
        check_base_model(project, name, config)
        return []
    return check_instructions(project, name, config)


def _exists(file: str) -> ConfigurationError:
    return ConfigurationError(
        f"{file} exists and is not overwritten; choose another name, or remove the file to write it anew"
    )


def checked_path(project: Path, given: str, where: str) -> str:
    """A path as the configuration names it.

    It is relative to the project, or absolute outside of it. Raises ConfigurationError.
    """
    path = os.path.abspath(os.path.join(project, os.path.expanduser(given)))
    if not given or not os.path.exists(path):
        raise ConfigurationError(f"{where}: {shown(given)} does not exist; expected a path relative to {project}")
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        raise ConfigurationError(
            f"{where}: the path {shown(given)} is not UTF-8, which no configuration can name; rename the folder, or link to it "
            "under another name (the files in it may keep their names)"
        ) from None
    # links are kept: a link below data/ may lead anywhere
    root = os.path.abspath(project)
    return os.path.relpath(path, root) if _is_within(path, root) else path


def checked_folder(project: Path, given: str) -> str:
    """The folder of a corpus, or one file or archive.

    Raises ConfigurationError, also where the folder holds the project itself.
    """
    found = checked_path(project, given, "FOLDER")
    real, root = os.path.realpath(project / found), os.path.realpath(project)
    if _is_within(root, real):
        raise ConfigurationError(
            f"FOLDER: {shown(given)} holds the project itself; expected a folder of texts only, such as data/NAME"
        )
    if os.path.isdir(real) and not _holds_something(real):
        raise ConfigurationError(
            f"FOLDER: {shown(given)} holds no file (hidden ones, whose names begin with a dot, do not count); put the texts there"
        )
    return found


def _holds_something(folder: str) -> bool:
    """Whether a folder holds anything that the listing would report.

    That is a file, a link that may lead to one, or a folder that cannot be listed. Links are not followed, because they
    may lead round in circles.
    """
    closed: list[OSError] = []
    for path, folders, names in os.walk(folder, onerror=closed.append):
        folders[:] = [name for name in folders if not name.startswith(".")]
        if any(not name.startswith(".") for name in names):
            return True
        if any(os.path.islink(os.path.join(path, name)) for name in folders):
            return True
    return bool(closed)


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _resolved(project: Path, file: str, text: str) -> DomainConfig:
    """The configuration that a text makes, as a run would resolve it.

    Raises ConfigurationError.
    """
    domain = Path(file).stem
    layer = Layer(file, {**load_yaml(text, file), "domain": domain})
    return with_word_lists(project, validate([read_layer(project, DEFAULT_FILE), layer]))


def check_something_is_read(given: str, found: Survey) -> None:
    """Raise ConfigurationError where a build would find no text."""
    is_all_known = found.tried == found.text_files and not found.unlooked
    refused = sum(unread.files for unread in found.unread if unread.of is not None)
    if is_all_known and refused == found.tried:
        reasons = "; ".join(f"{each.files} {each.reason} ({each.detail}): {each.example}" for each in found.unread[:5])
        raise ConfigurationError(
            f"FOLDER: none of the {found.files} files of {shown(given)} would give text: {reasons}; see docs/how-to/sources.md "
            "for the formats that are read"
        )


def render(scaffold: Scaffold, is_written: bool) -> RenderableType:
    """The survey, the written file, and the next command."""
    seen = survey_words(scaffold.folder, scaffold.survey, scaffold.notes)
    written = line(f"{scaffold.file} {'is written' if is_written else 'would be written'}:")
    rows = [line(f"  {row}") for row in scaffold.text.splitlines()]
    return Group(seen, written, *rows, "", line(f"next: {scaffold.command}"))
