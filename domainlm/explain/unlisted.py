"""Why no inventory lists a file.

In: a file's name, the present configuration. Out: the reason in words: hidden, excluded, not included, beside a saved
dataset, new since the last build, or in no source. Raises ConfigurationError for a name that is no file and of no
source, because it is probably misspelt.
"""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from domainlm.config.errors import ConfigurationError
from domainlm.config.resolve import resolve
from domainlm.config.sources import MODEL_ROLES, Source
from domainlm.raw.file_names import readable_name
from domainlm.raw.segments import is_glob_of
from domainlm.sources.folders import FAULTS, SAVED_DATASET, local_files


def unlisted(project: Path, domain: str, name: str) -> str:
    sources = {
        key: each for key, each in resolve(project, {"domain": domain}).sources.items() if each.role not in MODEL_ROLES
    }
    source, separator, inner = name.partition(":")
    if separator and source in sources:
        return f"source {source}: {by_patterns(sources[source], inner) or 'its inventory does not list it'}"
    full = Path(os.path.normpath(project / name))
    new = f"it is not in the inventory of the last build; build it: snakemake --cores all --config domain={domain}"
    found = []
    for key, each in sources.items():
        below = path_below(project, name, each.local) if each.local is not None else None
        if below is not None:
            reason = by_patterns(each, below) if below else None
            reason = reason or _in_refused_folder(project, key, each, below)
            found.append(f"source {key}: {reason or _beside_dataset(project, key, each, below) or new}")
    if found and full.exists():
        return "; ".join(found)
    if full.exists():
        local = ", ".join(f"{key} ({each.local})" for key, each in sources.items() if each.local is not None)
        return f"it lies in no source of the domain; local sources: {local or 'none'}"
    raise ConfigurationError(
        f"{readable_name(os.fsencode(name))}: no such file here, and no inventory of {domain} lists it; expected a file of the project, or "
        f"SOURCE:PATH as raw_corpus/*/inventory.jsonl has it; {_nearest(full, sources)}"
    )


def path_below(project: Path, name: str, root: str) -> str | None:
    """Path of a file below a source's root, or None.

    It is "" for the root itself. The name is read literally first; if that gives nothing, with links followed.
    """
    for path_of in (os.path.normpath, os.path.realpath):
        full, folder = Path(path_of(project / name)), Path(path_of(project / root))
        if full.is_relative_to(folder):
            return "" if full == folder else full.relative_to(folder).as_posix()
    return None


def _in_refused_folder(project: Path, key: str, source: Source, path: str) -> str | None:
    """Which folder above it is not read, and why."""
    for file in local_files(project, key, source):
        if file.fault is not None and path.startswith(f"{file.path}/"):
            return f"{file.path} is {FAULTS[file.fault]}"
    return None


def _beside_dataset(project: Path, key: str, source: Source, path: str) -> str | None:
    """Why a file beside a saved dataset's data files is excluded."""
    folder = (project / str(source.local) / path).parent
    is_saved = all((folder / os.fsdecode(name)).is_file() for name in SAVED_DATASET)
    if not is_saved or readable_name(os.fsencode(path)) in {file.path for file in local_files(project, key, source)}:
        return None
    return "of a dataset that was saved to disk, only the data files that its state.json names are read"


def by_patterns(source: Source, path: str) -> str | None:
    """The rule of a source that excludes a path, or None."""
    if any(part.startswith(".") for part in path.split("/")):
        return "hidden: files and folders whose names begin with a dot are excluded"
    for pattern in source.exclude:
        if is_glob_of(pattern, path):
            return f"excluded by the pattern {pattern!r} of `exclude`"
    if not any(is_glob_of(pattern, path) for pattern in source.include):
        return f"no pattern of `include` matches it: {source.include}"
    return None


def _nearest(full: Path, sources: dict[str, Source]) -> str:
    names = [path.name for path in full.parent.iterdir()] if full.parent.is_dir() else []
    close = difflib.get_close_matches(full.name, names, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else f"sources are {', '.join(sorted(sources))}"
