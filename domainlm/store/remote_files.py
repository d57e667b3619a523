"""Files at a remote by relative name, with retries.

In: a location. Out: bytes and files, each request repeated while the network is bad. A name either holds a whole file
or nothing: uploads go to a temporary name first if the protocol shows partial files. A permanent failure is a
`RemoteError` that names the fix and holds no secret. No answer is longer than was asked for (`Refused`), and none
comes from elsewhere: neither by a link that leads out of a folder nor by a redirect to another host. fsspec is
imported at the first use, because a build that finds everything here needs no import of it.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, TypeVar

from domainlm.store.remote_http import http_client
from domainlm.store.remote_location import NO_REMOTE, REMOTE_VARIABLE, RemoteError, RemoteLocation
from domainlm.store.secrets import without_secrets
from domainlm.store.sharing import make_folder, share

Result = TypeVar("Result")
# the wait before each further attempt
RETRY_SECONDS = (0.5, 2.0, 5.0)
EXTRAS = {"s3": "s3", "ssh": "ssh"}
# the record of an artifact of 200,000 files has half as much
MAX_RECORD_BYTES = 64 << 20
_BLOCK_BYTES = 1 << 20
_LOCAL_TROUBLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


class Refused(Exception):
    """A file of a remote is refused; the message names its fault."""


class RemoteFiles:
    """The files below one location."""

    def __init__(self, location: RemoteLocation) -> None:
        self.location = location
        self._lock = threading.Lock()
        self._opened: Any = None
        self._is_anchor_seen = False
        self._is_root_made = False

    def expect_nothing(self) -> None:
        """Let a missing remote count as empty; the first push creates it."""
        self._is_anchor_seen = True

    def read(self, name: str) -> bytes | None:
        """The bytes of a small file, or None if it is missing.

        Raises RemoteError, and Refused for a large file.
        """
        with tempfile.NamedTemporaryFile() as file:
            return Path(file.name).read_bytes() if self.fetch(name, Path(file.name), MAX_RECORD_BYTES) else None

    def fetch(self, name: str, target: Path, max_bytes: int) -> bool:
        """Write a remote file to `target`; False if it does not exist.

        Raises RemoteError, and Refused for a file that is larger than `max_bytes`.
        """

        def get(system: Any, path: str) -> bool:
            if self.location.protocol == "file":
                with self._open_plain(path) as source, target.open("wb") as file:
                    _copy(source, file, max_bytes)
            else:
                system.get_file(path, str(target), callback=_limit(max_bytes))
            return True

        return self._find(get, name) is not None

    def size(self, name: str) -> int | None:
        """Size in bytes, or None if the file does not exist.

        Raises RemoteError, Refused.
        """

        def measure(system: Any, path: str) -> int:
            if self.location.protocol == "file":
                with self._open_plain(path) as file:
                    return os.fstat(file.fileno()).st_size
            return int(system.info(path)["size"])

        return self._find(measure, name)

    def _open_plain(self, path: str) -> BinaryIO:
        """Open a plain file of a folder.

        Raises Refused for a pipe, a device, and a link that leads out of the folder.
        """
        real = os.path.realpath(path)
        if not self._is_inside(real):
            raise Refused(f"it is a link that leads out of the remote, to {real!a}")
        try:
            # a pipe that nobody writes to would be waited for
            descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.ENXIO):
                raise Refused(f"it is no plain file ({error.strerror})") from error
            raise
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise Refused("it is no plain file")
        return os.fdopen(descriptor, "rb")

    def _is_inside(self, real: str) -> bool:
        return Path(real).is_relative_to(os.path.realpath(self.location.root))

    def send(self, file: Path, name: str) -> None:
        """Upload a file. Raises RemoteError."""
        self._put(lambda system, path: system.put_file(str(file), path), name)

    def write(self, name: str, data: bytes) -> None:
        """Upload bytes. Raises RemoteError."""
        self._put(lambda system, path: system.pipe_file(path, data), name)

    def _path(self, name: str) -> str:
        return f"{self.location.root}/{name}"

    def _find(self, do: Callable[[Any, str], Result], name: str) -> Result | None:
        try:
            return self._attempt(lambda system: do(system, self._path(name)))
        except FileNotFoundError as error:
            self._check_root(error)
            return None

    def _check_root(self, error: FileNotFoundError) -> None:
        """Raise RemoteError if the whole remote is missing, not one file.

        Examples are a wrong bucket and an unmounted share.
        """
        if self._is_anchor_seen or self.location.protocol == "http":
            return
        if self.location.protocol == "s3":
            response = getattr(error.__cause__, "response", None) or {}
            is_there = response.get("Error", {}).get("Code") != "NoSuchBucket"
        else:
            is_there = self._attempt(lambda system: bool(system.exists(self.location.anchor)))
        if not is_there:
            raise RemoteError(
                f"remote {self.location}: {self.location.anchor} does not exist; mount or create it, "
                f"or set {REMOTE_VARIABLE}={NO_REMOTE} to work without a remote"
            )
        self._is_anchor_seen = True

    def _put(self, do: Callable[[Any, str], object], name: str) -> None:
        path = self._path(name)

        def put(system: Any) -> None:
            if self.location.protocol == "s3":
                # an object appears when its upload is complete
                do(system, path)
                return
            # no fixed name: two uploads of one file must not write into each other's
            staged = f"{path}.{uuid.uuid4().hex}.part"
            is_folder = self.location.protocol == "file"
            if is_folder and not self._is_inside(os.path.realpath(os.path.dirname(path))):
                raise RemoteError(
                    f"remote {self.location}: {os.path.dirname(path)} is a link that leads out of it, so nothing is written there; "
                    "remove the link"
                )
            try:
                if is_folder:
                    make_folder(Path(self.location.root), *PurePosixPath(name).parent.parts)
                do(system, staged)
                if is_folder:
                    share(Path(staged))
                    # fsspec's would move into a folder that has this name
                    os.replace(staged, path)
                else:
                    system.mv(staged, path)
            except Exception:
                with suppress(Exception):
                    system.rm_file(staged)
                raise

        if self.location.protocol == "http":
            raise RemoteError(f"remote {self.location} is read-only; push to the folder, bucket or host that it serves")
        self._make_root()
        try:
            self._attempt(put)
        except FileNotFoundError as error:
            raise RemoteError(f"remote {self.location}: {_said(error)}; create it first") from error

    def _make_root(self) -> None:
        """Create the top folder for its owner alone.

        An existing folder keeps its permissions.
        """
        with self._lock:
            if self._is_root_made or self.location.protocol == "s3":
                return
            self._is_root_made = True
        root = self.location.root
        if self.location.protocol == "file":
            Path(root).mkdir(mode=0o700, parents=True, exist_ok=True)
        elif not self._attempt(lambda system: system.exists(root)):
            self._attempt(lambda system: system.makedirs(root, exist_ok=True, permissions=0o700))

    def _system(self) -> Any:
        with self._lock:
            if self._opened is None:
                self._opened = _open(self.location)
            return self._opened

    def _attempt(self, do: Callable[[Any], Result]) -> Result:
        """Run `do(file system)`, again after network trouble. Raises FileNotFoundError, RemoteError."""
        for wait_seconds in (*RETRY_SECONDS, None):
            try:
                return do(self._system())
            except (FileNotFoundError, Refused, RemoteError):
                raise
            except ImportError as error:
                extra = EXTRAS.get(self.location.protocol, "")
                raise RemoteError(
                    f"remote {self.location} needs the extra {extra!r}: pip install 'domainlm[{extra}]' (locked: "
                    f"envs/cpu.lock), or set {REMOTE_VARIABLE}={NO_REMOTE} to work without a remote"
                ) from error
            except Exception as error:
                if isinstance(error, OSError) and error.errno in _LOCAL_TROUBLE:
                    raise
                if wait_seconds is None or _is_refusal(error):
                    raise self._failure(error) from error
                time.sleep(wait_seconds)
        raise AssertionError("not reached")

    def _failure(self, error: Exception) -> RemoteError:
        ignored = f"; ignored: {', '.join(self.location.ignored)}" if self.location.ignored else ""
        return RemoteError(
            f"remote {self.location}: {_said(error)}; credentials come from the environment alone (AWS_*, SSH agent "
            f"and keys){ignored}; check them and the network, or set "
            f"{REMOTE_VARIABLE}={NO_REMOTE} to work without a remote"
        )


def _open(location: RemoteLocation) -> Any:
    import fsspec

    options = dict(location.options)
    if location.protocol == "http":
        options = {"client_kwargs": http_client(location)}
    system = fsspec.filesystem(location.protocol, skip_instance_cache=True, **options)
    if location.protocol == "s3":
        # `_attempt` tries again
        system.retries = 1
    return system


def _copy(source: BinaryIO, target: BinaryIO, max_bytes: int) -> None:
    left = max_bytes
    while block := source.read(_BLOCK_BYTES):
        left -= len(block)
        if left < 0:
            raise _too_large(max_bytes)
        target.write(block)


def _too_large(max_bytes: int) -> Refused:
    return Refused(f"it has more than the {max_bytes} bytes that it may have")


def _limit(max_bytes: int) -> Any:
    """A callback of fsspec that ends a transfer that exceeds the limit.

    It ends at once if the stated length exceeds it.
    """
    from fsspec.callbacks import Callback

    class Limit(Callback):  # type: ignore[misc]
        def call(self, *arguments: Any, **options: Any) -> None:
            if max(self.value, self.size or 0) > max_bytes:
                raise _too_large(max_bytes)

    return Limit()


def _is_refusal(error: Exception) -> bool:
    """Whether another attempt is useless.

    Examples are denied access, missing credentials, an unknown host key.
    """
    refusals = ("NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "HostKeyNotVerifiable")
    is_denied = isinstance(error, PermissionError) or getattr(error, "status", 0) in (401, 403)
    return is_denied or type(error).__name__ in (*refusals, "PermissionDenied")


def _said(error: Exception) -> str:
    return without_secrets(f"{type(error).__name__}: {error}")
