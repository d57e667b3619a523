"""The due artifacts, found by keys and contents and never by age.

In: the stamps of a configuration, the workspace, the store. Out: folders whose rules Snakemake has to run. Nothing is
changed.

Snakemake compares times, and times mislead: a failed job's old manifest is put back with a new time; a `dvc checkout`
brings other bytes with old times; a clock is set back; a build of an older configuration ends last. In each of these
cases the times mean "up to date". So an artifact counts as present where the key of its record is that of the action
which its stamp asks for, made from the inputs that are installed, and its files are those of its manifest; every other
artifact with a manifest is due. Removing that manifest would make its rule run, too, but a dry run would change the
workspace, and the state after a kill could only be guessed.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from pathlib import Path

from domainlm.builder.absent import digest_elsewhere, is_removed
from domainlm.builder.hollow import is_hollow
from domainlm.pipeline.stamp import Stamp, action_of
from domainlm.pipeline.table import BY_NAME, LAST_ARTIFACT
from domainlm.store.actions import action_key
from domainlm.store.canonical import sha256_of
from domainlm.store.install import is_sound, read_record
from domainlm.store.local import Store
from domainlm.store.manifest import MANIFEST_NAME, parse_manifest


def needed_folders(stamps: list[Stamp], targets: Iterable[str]) -> set[str]:
    """Folders of Snakemake's targets and of all their ancestors."""
    inputs = {stamp.folder: stamp.inputs.values() for stamp in stamps}
    whole = {stamp.artifact: stamp.folder for stamp in stamps if stamp.shard is None}
    waiting = [_folder_of(name, inputs, whole) for name in targets or ["all"]]
    found: set[str] = set()
    while waiting:
        folder = waiting.pop()
        if folder not in found and folder in inputs:
            found.add(folder)
            waiting.extend(inputs[folder])
    return found


def _folder_of(target: str, folders: Container[str], whole: Mapping[str, str]) -> str:
    """The artifact's folder that a target of Snakemake belongs to.

    Logs and benchmarks can be targets, too; they belong to the folder of their artifact.
    """
    folder = str(Path(target).parent)
    if folder in folders:
        return folder
    # a rule for each shard is no target, but may be among the rules to run
    names = [part.split(".")[0].removesuffix("_shard") for part in Path(target).parts]
    return whole[next((name for name in reversed(names) if name in whole), LAST_ARTIFACT)]


def requested_artifacts(targets: Iterable[str]) -> set[str]:
    """Artifacts that Snakemake's targets (rules or files) name.

    Without a target, it is the report.
    """
    found = set()
    for target in targets or ["all"]:
        parts = Path(target).parts
        name = parts[-2] if parts[-1] == MANIFEST_NAME and len(parts) > 1 else target
        found.add(LAST_ARTIFACT if name == "all" else name)
    return found & set(BY_NAME)


def find_due(
    project: Path, stamps: list[Stamp], needed: set[str], requested: set[str], store: Store, is_remembered: bool = True
) -> set[str]:
    """Needed folders whose artifact is present in part and is due.

    An artifact or shard is due if it has another key, is damaged, has no bytes although it is requested by name, was
    made from fetched files that were written to, or has no manifest because a job ended while it installed what the
    store has. An artifact that is absent is not listed: Snakemake makes it if something needs it, for somebody may have
    removed it to make room. is_remembered: whether a file that was only touched gets its object's time back, so that it
    is hashed once.
    """
    due = _of_damaged_fetches(project, stamps, store) & needed
    # folder -> tree digest of its content now, or after its rule ran; None where it is unknown before the build
    digests: dict[str, str | None] = {}
    for stamp in stamps:
        if stamp.folder not in needed:
            continue
        folder = project / stamp.folder
        data, record = _manifest_bytes(folder), read_record(folder)
        key = _key(project, stamp, digests)
        if data is not None and record is not None and record.get("key") == key:
            digests[stamp.folder] = sha256_of(data)
            if is_hollow(project, stamp.folder, record["key"]):
                is_present = stamp.shard is not None or stamp.artifact not in requested
            else:
                is_present = _is_as_listed(folder, data, is_remembered)
        else:
            digests[stamp.folder] = digest_elsewhere(project, stamp, key, store)
            is_present = data is None and is_removed(folder, key, store)
        if not is_present:
            due.add(stamp.folder)
    return due


def _key(project: Path, stamp: Stamp, digests: Mapping[str, str | None]) -> str | None:
    """Key of a stamp's action; None where an input is unknown."""
    inputs = {}
    for name, path in stamp.inputs.items():
        # another domain's results are taken as they are, as this run does not make them
        data = None if path in digests else _manifest_bytes(project / path)
        digest = digests[path] if path in digests else sha256_of(data) if data is not None else None
        if digest is None:
            return None
        inputs[name] = digest
    return action_key(action_of(stamp, inputs))


def _manifest_bytes(folder: Path) -> bytes | None:
    try:
        return (folder / MANIFEST_NAME).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except IsADirectoryError:
        # the path exists and is no manifest
        return b""


def _is_as_listed(folder: Path, data: bytes, is_remembered: bool) -> bool:
    try:
        manifest = parse_manifest(data)
    except (ValueError, KeyError, TypeError):
        return False
    return is_sound(folder, manifest, is_remembered)


def _of_damaged_fetches(project: Path, stamps: list[Stamp], store: Store) -> set[str]:
    """Folders of raw_corpus whose fetched files were written to.

    The files lie in the store; the folders' build fetches them again.
    """
    found: set[str] = set()
    is_written_to: dict[str, bool] = {}
    for stamp in stamps:
        if not BY_NAME[stamp.artifact].lists_raw_files or stamp.shard is None:
            continue
        for sha256 in (row["sha256"] for row in stamp.config["fetched"]):
            if sha256 not in is_written_to:
                is_written_to[sha256] = store.objects.is_written_to(sha256)
            if is_written_to[sha256] and (project / stamp.folder / MANIFEST_NAME).exists():
                found.add(stamp.folder)
    return found
