"""Why no inventory lists a file.

In: a file's name, the configuration as it is now. Out: the reason in words: hidden, excluded, not included, new since the last build, or
in no source. Raises ConfigurationError for a name that is no file and of no source: most likely it is misspelt.
"""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from domainlm.config.sources import Source
from domainlm.resolve import ConfigurationError, resolve
from domainlm.text.reading.file_names import readable_name
from domainlm.text.reading.segments import glob_pattern


def unlisted(project: Path, domain: str, name: str) -> str:
    sources = {
        key: each for key, each in resolve(project, {"domain": domain}).sources.items() if each.role != "base_model"
    }
    source, separator, inner = name.partition(":")
    if separator and source in sources:
        return f"source {source}: {by_patterns(sources[source], inner) or 'its inventory does not list it'}"
    full = (project / name).absolute()
    found = []
    for key, each in sources.items():
        root = (project / each.local).absolute() if each.local is not None else None
        if root is not None and full.is_relative_to(root) and full != root:
            reason = by_patterns(each, full.relative_to(root).as_posix())
            new = f"it is not in the inventory of the last build; build it: snakemake --cores all --config domain={domain}"
            found.append(f"source {key}: {reason or new}")
    if found and full.exists():
        return "; ".join(found)
    if full.exists():
        local = ", ".join(f"{key} ({each.local})" for key, each in sources.items() if each.local is not None)
        return f"it lies in no source of the domain; local sources: {local or 'none'}"
    raise ConfigurationError(
        f"{readable_name(os.fsencode(name))}: no such file here, and no inventory of {domain} lists it; expected a file of the project, or "
        f"SOURCE:PATH as raw_corpus/*/inventory.jsonl has it; {_nearest(full, sources)}"
    )


def by_patterns(source: Source, path: str) -> str | None:
    """What of a source's rules leaves a path out; None where nothing does."""
    if any(part.startswith(".") for part in path.split("/")):
        return "hidden: files and folders whose names begin with a dot are left out"
    for pattern in source.exclude:
        if glob_pattern(pattern).match(path):
            return f"excluded by the pattern {pattern!r} of `exclude`"
    if not any(glob_pattern(pattern).match(path) for pattern in source.include):
        return f"no pattern of `include` matches it: {source.include}"
    return None


def _nearest(full: Path, sources: dict[str, Source]) -> str:
    names = [path.name for path in full.parent.iterdir()] if full.parent.is_dir() else []
    close = difflib.get_close_matches(full.name, names, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else f"sources are {', '.join(sorted(sources))}"
