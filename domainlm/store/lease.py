"""One builder per key: a lease with a heartbeat.

In: a key. Out: the right to build it, held while the block runs. A lease of a dead process on this host is taken over
at once; one of another host after `STALE_SECONDS` without a heartbeat. The lease, not Snakemake's lock, decides who
may build (ADR 0002): it dies with its holder, so a killed build needs no unlocking.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

HEARTBEAT_SECONDS = 5.0
STALE_SECONDS = 60.0


class LeaseTimeout(Exception):
    """Another process holds the lease for longer than one is ready to wait."""


def _process_facts(pid: int) -> list[str]:
    """Fields of /proc/PID/stat after the name: [0] state, [19] start time. Empty where the system does not say."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return []


def process_start(pid: int) -> str:
    """A value that tells two processes with one pid apart ('' where the system does not say)."""
    facts = _process_facts(pid)
    return facts[19] if facts else ""


def is_alive(pid: int, start: str) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    facts = _process_facts(pid)
    # a killed process whose parent never asks for its end stays as a zombie, for ever in a container without an init
    return not facts or (facts[0] not in "ZX" and start in ("", facts[19]))


def _is_stale(path: Path) -> bool:
    try:
        age_seconds = time.time() - path.stat().st_mtime
        holder = json.loads(path.read_bytes())
    except FileNotFoundError:
        return False
    except ValueError:
        return age_seconds > HEARTBEAT_SECONDS
    if holder["host"] == socket.gethostname():
        return not is_alive(holder["pid"], holder["start"])
    return age_seconds > STALE_SECONDS


def _own_holder() -> dict[str, object]:
    return {"host": socket.gethostname(), "pid": os.getpid(), "start": process_start(os.getpid())}


def _try_to_take(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w") as file:
        json.dump(_own_holder(), file)
    return True


def _remove_stale(path: Path) -> None:
    # one rival at a time: between the look and the removal nobody may remove it and take it anew
    with (path.parent / "removal.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _is_stale(path):
            path.unlink(missing_ok=True)


@contextmanager
def lease(folder: Path, key: str, timeout_seconds: float, log: Callable[[str], None]) -> Iterator[None]:
    """Hold the lease of `key`. Raises LeaseTimeout, naming the holder, after `timeout_seconds` of waiting."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{key}.json"
    began = time.monotonic()
    is_waiting_said = False
    while not _try_to_take(path):
        if _is_stale(path):
            _remove_stale(path)
            continue
        if not is_waiting_said:
            log(f"another build holds {path.name[:12]}; waiting up to {timeout_seconds:.0f} s")
            is_waiting_said = True
        if time.monotonic() - began > timeout_seconds:
            holder = path.read_text() if path.exists() else "?"
            raise LeaseTimeout(f"lease {path} is still held by {holder} after {timeout_seconds:.0f} s")
        time.sleep(0.2)
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(HEARTBEAT_SECONDS):
            try:
                os.utime(path)
            except FileNotFoundError:
                return

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        # taken over by another host that saw no heartbeat: then it is no longer ours to remove
        with suppress(FileNotFoundError, ValueError):
            if json.loads(path.read_bytes()) == _own_holder():
                path.unlink()
