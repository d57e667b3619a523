"""The requested artifacts of a run, which are filled with their bytes.

In: the targets of a run. Out: one note for each domain, which every build of the run reads. Artifacts that were not
requested may stay hollow.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from domainlm.store.canonical import canonical_json
from domainlm.store.lease import host_name, is_alive, process_start
from domainlm.store.notes import read_note
from domainlm.store.staging import replace_file

REQUESTED = ".domainlm/requested"


def write_requested(project: Path, domain: str, artifacts: Iterable[str]) -> None:
    """Note the requested artifacts, and remove the notes of ended runs.

    A file is used, not a parameter of the rules, because Snakemake would run a rule again if its command line changed.
    """
    folder = project / REQUESTED
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.json"):
        # from the right: a host's name may hold dots, and begin with another's
        name, pid, start = ([*path.stem.rsplit(".", 2), "", ""])[:3]
        if name == host_name() and pid.isdecimal() and not is_alive(int(pid), "" if start == "0" else start):
            path.unlink(missing_ok=True)
    own = folder / f"{host_name()}.{os.getpid()}.{process_start(os.getpid()) or 0}.json"
    replace_file(own, canonical_json({"domain": domain, "artifacts": sorted(artifacts)}))


def is_requested(project: Path, domain: str, artifact: str) -> bool:
    """Whether a run in this workspace requested the artifact by name."""
    for path in (project / REQUESTED).glob("*.json"):
        try:
            row = read_note(path) or {}
        except PermissionError:
            # the note is of another user's run, who does not let others read it; that run fetches its artifacts itself
            continue
        names = row.get("artifacts")
        if row.get("domain") == domain and isinstance(names, list) and artifact in names:
            return True
    return False
