"""One builder per key: a lease with a heartbeat.

In: a key. Out: the right to build it, held while the block runs. A lease of a dead process on this host is taken over
at once. A holder elsewhere cannot be inspected: its lease is taken over after it stayed unchanged for `STALE_SECONDS`
on the waiter's own monotonic clock, so clocks that jump or differ do not matter. The lease, not Snakemake's lock,
decides who may build (ADR 0002): it ends with its holder, so a killed build needs no unlocking.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import math
import os
import re
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from domainlm.store.notes import parse_note
from domainlm.store.sharing import make_folder, open_lock, share

HEARTBEAT_SECONDS = 5.0
STALE_SECONDS = 60.0
ELSEWHERE_SECONDS = 86_400.0
# of a host's name, what a file's name shows: with the rest of it a file's name may be too long for a file system
MAX_HOST_CHARS = 64
MAX_LEASE_BYTES = 4096
# what the system says of a file system that is read-only, or is another's
NOT_WRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM)


class LeaseTimeout(Exception):
    """Another process holds the lease for longer than the time-out."""


class LeaseRefused(Exception):
    """This process cannot write to the store, so it cannot build."""


def host() -> str:
    """The scope of a process number: host name, boot, container.

    The name alone is not enough: machines of one name share stores, and so do containers with the host's network.
    """
    facts = socket.gethostname()
    with suppress(OSError):
        facts += Path("/proc/sys/kernel/random/boot_id").read_text() + os.readlink("/proc/self/ns/pid")
    return f"{host_name()}-{hashlib.sha256(os.fsencode(facts)).hexdigest()[:8]}"


def host_name() -> str:
    """The host's name in a form that is safe in file names."""
    return re.sub(r"[^A-Za-z0-9.-]", "_", socket.gethostname())[:MAX_HOST_CHARS] or "_"


def _process_facts(pid: int) -> list[str]:
    """Fields of /proc/PID/stat after the name: [0] state, [19] start time.

    Empty if the system does not report it.
    """
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return []


def process_start(pid: int) -> str:
    """A value that distinguishes two processes with one pid.

    '' if the system does not report it.
    """
    facts = _process_facts(pid)
    return facts[19] if facts else ""


def is_alive(pid: int, start: str) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    except OverflowError:
        return False
    facts = _process_facts(pid)
    # a killed process whose parent never asks for its end stays as a zombie, for ever in a container without an init
    return not facts or (facts[0] not in "ZX" and start in ("", facts[19]))


# a lease file at one moment: its bytes (None where they may not be read), its inode, its time, which a heartbeat changes
Look = tuple[bytes | None, int, int]


def _look(path: Path) -> Look | None:
    try:
        try:
            # opened, because that is what makes a network file system ask for the time again
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                found = os.fstat(descriptor)
                data = os.read(descriptor, MAX_LEASE_BYTES) if stat.S_ISREG(found.st_mode) else b""
            finally:
                os.close(descriptor)
            return data, found.st_ino, found.st_mtime_ns
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.ELOOP):
                raise
            # another user's and closed: it still shows whether it is renewed; or a link, which is no lease of ours
            found = path.lstat()
            return None if error.errno == errno.EACCES else b"", found.st_ino, found.st_mtime_ns
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ESTALE):
            return None
        raise


def _patience_seconds(look: Look) -> float:
    """How long a lease may stay unchanged before it counts as abandoned."""
    if look[0] is None:
        return STALE_SECONDS
    holder = parse_note(look[0]) or {}
    of_host, pid, start = holder.get("host"), holder.get("pid"), holder.get("start")
    if not (isinstance(of_host, str) and type(pid) is int and pid > 0 and isinstance(start, str)):
        # killed between making the file and writing into it
        return HEARTBEAT_SECONDS
    if of_host != host():
        return STALE_SECONDS
    if not is_alive(pid, start):
        return 0.0
    # another user's process may be hidden (hidepid): then its number may be a later process's, and its heartbeat decides
    return math.inf if not start or process_start(pid) else STALE_SECONDS


def _try_to_take(path: Path) -> int | None:
    """Descriptor of the lease's file, or None where another holds it."""
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    except FileExistsError:
        return None
    holder = {"host": host(), "pid": os.getpid(), "start": process_start(os.getpid())}
    try:
        share(path)
        os.write(descriptor, json.dumps(holder).encode())
    except OSError:
        # a full disk takes a name but no bytes
        os.close(descriptor)
        path.unlink(missing_ok=True)
        raise
    return descriptor


def _holder(look: Look) -> str:
    return look[0].decode(errors="replace") if look[0] is not None else "another user, who has closed it"


def _remove(path: Path, stale: Look) -> None:
    # one rival at a time: between the look and the removal nobody may remove it and take it again
    lock = open_lock(path.parent / "removal.lock")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _look(path) == stale:
            path.unlink(missing_ok=True)
    finally:
        os.close(lock)


def _take(path: Path, timeout_seconds: float, log: Callable[[str], None]) -> tuple[int, bool]:
    began = time.monotonic()
    seen, since, has_waited = None, began, False
    while True:
        descriptor = _try_to_take(path)
        if descriptor is not None:
            return descriptor, has_waited
        look, now = _look(path), time.monotonic()
        if look is None:
            continue
        if look != seen:
            seen, since = look, now
        if now - since >= _patience_seconds(look):
            _remove(path, look)
            continue
        if not has_waited:
            log(f"another build holds {path.name[:12]}; waiting up to {timeout_seconds:.0f} s")
            has_waited = True
        if now - began > timeout_seconds:
            raise LeaseTimeout(
                f"lease {path} is still held by {_holder(look)} after {timeout_seconds:.0f} s; "
                "wait for that build or end it, then run the same command again"
            )
        time.sleep(0.2)


def live_leases(folder: Path) -> set[str]:
    """Names of the keys that are being built or fetched now.

    A holder elsewhere counts for a day: clocks may differ by less.
    """
    found = set()
    for name in os.listdir(folder) if folder.exists() else []:
        path = folder / name
        look = _look(path) if path.suffix == ".json" else None
        if look is None or _patience_seconds(look) == 0.0:
            continue
        if _patience_seconds(look) == math.inf or time.time() - look[2] / 1e9 < ELSEWHERE_SECONDS:
            found.add(path.stem)
    return found


def can_lease(folder: Path) -> bool:
    """Whether this process may write to the folder; creates a missing one."""
    try:
        make_folder(folder.parent, folder.name)
    except OSError as error:
        if error.errno not in NOT_WRITABLE:
            raise
        return False
    return os.access(folder, os.W_OK)


@contextmanager
def lease(folder: Path, key: str, timeout_seconds: float, log: Callable[[str], None]) -> Iterator[bool]:
    """Hold the lease of `key`; the value says whether it waited.

    Raises LeaseTimeout, naming the holder, after `timeout_seconds` of waiting, and LeaseRefused if the store cannot
    be written.
    """
    path = folder / f"{key}.json"
    try:
        if not can_lease(folder):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
        descriptor, has_waited = _take(path, timeout_seconds, log)
    except OSError as error:
        if error.errno not in NOT_WRITABLE:
            raise
        raise LeaseRefused(
            f"the store {folder.parent} cannot be written ({error.strerror}); make it writable, or name another with "
            "DOMAINLM_STORE"
        ) from error
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(HEARTBEAT_SECONDS):
            # by descriptor: a lease that another took over meanwhile is not kept alive for it. What fails once (a server
            # that is away) may work the next time
            with suppress(OSError):
                os.utime(descriptor)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield has_waited
    finally:
        stop.set()
        thread.join()
        # taken over by another host that saw no heartbeat: then it is no longer ours to remove
        with suppress(OSError):
            if os.path.samestat(os.stat(path), os.fstat(descriptor)):
                path.unlink()
        os.close(descriptor)
