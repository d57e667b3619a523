"""The location of the remote cache: `DOMAINLM_REMOTE`, else DVC's default remote.

In: the project folder and the environment. Out: a location that a file system of fsspec can open, or None. In DVC's
default remote it is the folder `domainlm`, so that users of a DVC remote configure nothing twice. Secrets come from
the environment alone (AWS_*, SSH agent and keys, ~/.netrc): an address in DOMAINLM_REMOTE with a secret is refused,
and secrets in DVC's files are named as ignored and never read further, so that no record, log or message can carry
one. DVC itself is not imported (0.5 s).
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from domainlm.store.location import dvc_configuration_files, experiment_origin, read_dvc_file
from domainlm.store.secrets import secret_in, without_secrets

REMOTE_VARIABLE = "DOMAINLM_REMOTE"
NO_REMOTE = "none"
FOLDER_AT_DVC_REMOTE = "domainlm"
PROTOCOLS = {
    "": "file",
    "file": "file",
    "s3": "s3",
    "ssh": "ssh",
    "sftp": "ssh",
    "http": "http",
    "https": "http",
}
# options of DVC remotes that hold a secret or lead to one
SECRET_OPTIONS = (
    *("access_key_id", "secret_access_key", "session_token", "credentialpath"),
    *("password", "passphrase", "custom_auth_header"),
)
# how credentials are given, by the protocol
CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, in the environment",
    "ssh": "an SSH agent or a key in ~/.ssh (ssh://USER@HOST/PATH may name the user)",
    "http": "a line `machine HOST login USER password WORD` in ~/.netrc",
}
CONNECT_SECONDS = 20
READ_SECONDS = 60


class RemoteError(Exception):
    """The remote cannot be reached, or its content cannot be trusted.

    The message names it and the fix, and no secret.
    """

    def __init__(self, message: str) -> None:
        super().__init__(without_secrets(message))


@dataclass(frozen=True)
class RemoteLocation:
    """One remote.

    address: for messages, without user and password. origin: the setting that names it. root: its top folder, in the
    file system's form. anchor: the path that must exist even before the first push (an unmounted share is no empty
    cache). options: for its file system. ignored: options of DVC's files that were not used, as "option (file)".
    """

    protocol: str
    address: str
    origin: str
    root: str
    anchor: str
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    ignored: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.address} ({self.origin})"


def remote_location(project: Path, environment: Mapping[str, str] = os.environ) -> RemoteLocation | None:
    """The configured remote. Raises RemoteError for an address that cannot be used."""
    override = environment.get(REMOTE_VARIABLE, "")
    if override == NO_REMOTE:
        return None
    if override:
        _check_secrets(override)
        return _location(override, "", {}, project, REMOTE_VARIABLE, ())
    found = _dvc_default_remote(project, environment)
    if found is None:
        return None
    name, options, folder, ignored = found
    url = options.get("url", "")
    if not url:
        raise RemoteError(f"DVC's default remote {name!r} has no url; run: dvc remote add --force {name} URL")
    parts = _parts(url, f"DVC remote {name!r}")
    if parts.password is not None or (parts.username and PROTOCOLS.get(parts.scheme) != "ssh"):
        user = f"{parts.username}@" if parts.username and PROTOCOLS.get(parts.scheme) == "ssh" else ""
        url = parts._replace(netloc=user + parts.netloc.rpartition("@")[2]).geturl()
        ignored = (*ignored, "the password in url")
    if "endpointurl" in options and secret_in(options["endpointurl"]):
        del options["endpointurl"]
        ignored = (*ignored, "endpointurl, which holds credentials")
    return _location(url, FOLDER_AT_DVC_REMOTE, options, folder, f"DVC remote {name!r}", ignored)


def _parts(url: str, origin: str) -> SplitResult:
    """The parts of an address.

    Raises RemoteError that does not quote it: a password with / # ? or [ in it looks like a port.
    """
    try:
        parts = urlsplit(url)
        # read once, as it is only checked when it is read
        _ = parts.port
    except ValueError:
        raise RemoteError(
            f"{origin} is no address: its host or port cannot be read; expected a folder, s3://BUCKET/PATH, ssh://HOST[:PORT]/PATH "
            f"or https://HOST[:PORT]/PATH, without a password; or set {REMOTE_VARIABLE}={NO_REMOTE} to work without a remote"
        ) from None
    return parts


def _check_secrets(url: str) -> None:
    """Raises RemoteError for an address with a secret in it.

    The message names the right way to give it, and does not quote it.
    """
    if "://" not in url:
        return
    scheme = url.partition("://")[0]
    # the user of an SSH address is none, unless it is a token
    bare = re.sub(r"(?<=://)[A-Za-z0-9._-]{1,32}@", "", url, count=1) if PROTOCOLS.get(scheme) == "ssh" else url
    what = secret_in(bare) or (secret_in(url.partition("://")[2]) if bare != url else None)
    if what is not None:
        instead = CREDENTIALS.get(PROTOCOLS.get(scheme, ""), "the environment")
        raise RemoteError(
            f"{REMOTE_VARIABLE} holds {what}, which every process would find in its environment; give credentials by {instead}, "
            f"or set {REMOTE_VARIABLE}={NO_REMOTE} to work without a remote"
        )


def exposure(location: RemoteLocation) -> str | None:
    """Everyone else who can change the remote's content, in words.

    None for a folder that belongs to this user alone.
    """
    if location.protocol == "http":
        return "whoever can write to that server" + (
            ", and whoever is on the way" if location.address.startswith("http:") else ""
        )
    if location.protocol != "file":
        return "whoever can write there"
    try:
        found = os.stat(location.root)
    except OSError:
        return None
    if is_for_everybody(location):
        return f"everybody on this machine (mode {stat.S_IMODE(found.st_mode):04o})"
    if found.st_uid != os.geteuid():
        return f"user {found.st_uid}, whose folder it is"
    if found.st_mode & stat.S_IWGRP:
        return f"everybody in group {found.st_gid} (mode {stat.S_IMODE(found.st_mode):04o})"
    return None


def is_for_everybody(location: RemoteLocation) -> bool:
    """Whether the remote is a folder that all local users can write."""
    try:
        return location.protocol == "file" and bool(os.stat(location.root).st_mode & stat.S_IWOTH)
    except OSError:
        return False


def _dvc_default_remote(
    project: Path, environment: Mapping[str, str]
) -> tuple[str, dict[str, str], Path, tuple[str, ...]] | None:
    """DVC's default remote: name, options, base folder, ignored secrets.

    The base folder is the one that its url is relative to.
    """
    merged: dict[str, dict[str, str]] = {}
    ignored: dict[str, list[str]] = {}
    folders: dict[str, Path] = {}
    for file in reversed(dvc_configuration_files(project, environment)):
        parser = read_dvc_file(file)
        for section in parser.sections():
            for option, value in parser.items(section):
                if option in SECRET_OPTIONS:
                    ignored.setdefault(section, []).append(f"{option} ({file})")
                    continue
                merged.setdefault(section, {})[option] = value.strip("\"'")
                if option == "url":
                    folders[section] = file.parent
    default = merged.get("core", {}).get("remote")
    if not default:
        return None
    section = f"'remote \"{default}\"'"
    folder = folders.get(section, project / ".dvc")
    origin = experiment_origin(project)
    if origin is not None and folder == project / ".dvc":
        # DVC copies the file into the experiment's folder as it is
        folder = origin / ".dvc"
    return default, merged.get(section, {}), folder, tuple(ignored.get(section, ()))


def _location(
    url: str, folder: str, options: Mapping[str, str], base: Path, origin: str, ignored: tuple[str, ...]
) -> RemoteLocation:
    """The location of `folder` below a url, with DVC's options for it."""
    parts = _parts(url, origin)
    protocol = PROTOCOLS.get(parts.scheme)
    if protocol is None:
        raise RemoteError(
            f"{origin} is a {parts.scheme} address; expected a folder, s3://, ssh:// or https://; "
            f"set {REMOTE_VARIABLE} to one, or {REMOTE_VARIABLE}={NO_REMOTE} to work without a remote"
        )
    if protocol == "file":
        anchor = str((base / Path(parts.path if parts.scheme else url).expanduser()).resolve())
        root = str(Path(anchor) / folder)
        return RemoteLocation("file", root, origin, root, anchor, {"auto_mkdir": True}, ignored)
    name = parts.netloc if protocol == "s3" else parts.hostname or ""
    if not name:
        raise RemoteError(f"{origin} has no host or bucket; expected {parts.scheme}://NAME/PATH")
    host = f"[{name}]" if ":" in name else name
    host += f":{parts.port}" if parts.port else ""
    path = parts.path.rstrip("/")
    below = f"{path}/{folder}" if folder else path
    address = f"{parts.scheme}://{parts.netloc if protocol == 's3' else host}{below}"
    if protocol == "s3":
        bucket = parts.netloc
        return RemoteLocation("s3", address, origin, bucket + below, bucket, _s3_options(options), ignored)
    if protocol == "ssh":
        return RemoteLocation("ssh", address, origin, below, path or "/", _ssh_options(parts, options), ignored)
    return RemoteLocation("http", address, origin, address, address, {}, ignored)


def _s3_options(options: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "config_kwargs": {
            "connect_timeout": CONNECT_SECONDS,
            "read_timeout": READ_SECONDS,
            # tried again here, with a message
            "retries": {"max_attempts": 1},
        }
    }
    if "endpointurl" in options:
        found["endpoint_url"] = options["endpointurl"]
    if "region" in options:
        found["client_kwargs"] = {"region_name": options["region"]}
    if "profile" in options:
        found["profile"] = options["profile"]
    return found


def _ssh_options(parts: SplitResult, options: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "host": parts.hostname or "",
        # sshfs checks no host key unless told; () is asyncssh's default: ~/.ssh/known_hosts
        "known_hosts": (),
        "connect_timeout": CONNECT_SECONDS,
        "keepalive_interval": CONNECT_SECONDS,
    }
    user = parts.username or options.get("user")
    port = parts.port or options.get("port")
    if user:
        found["username"] = unquote(user)
    if port:
        if not str(port).isascii() or not str(port).isdigit():
            # not quoted: whoever mistakes one option writes a password to another
            raise RemoteError(
                "the option port of DVC's default remote is no number; run: dvc remote modify NAME port NUMBER"
            )
        found["port"] = int(port)
    if "keyfile" in options:
        found["client_keys"] = [str(Path(options["keyfile"]).expanduser())]
    return found
