from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from domainlm.store.lease import STALE_SECONDS, LeaseTimeout, is_alive, lease, process_start

# takes the lease, notes when, holds it for a moment, notes the end
HOLDER = """
import sys, time
from pathlib import Path
from domainlm.store.lease import lease
folder, seconds = Path(sys.argv[1]), float(sys.argv[2])
with lease(folder, "key", 60, lambda message: None):
    began = time.monotonic()
    print("held", flush=True)
    time.sleep(seconds)
    with (folder / "spans").open("a") as file:
        file.write(f"{began} {time.monotonic()}\\n")
"""


def start(folder: Path, seconds: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder), str(seconds)], stdout=subprocess.PIPE, text=True
    )


def silent(_: str) -> None:
    return None


def write_lease(folder: Path, host: str, pid: int, started: str, age_seconds: float) -> Path:
    path = folder / "key.json"
    path.write_text(json.dumps({"host": host, "pid": pid, "start": started}))
    moment = time.time() - age_seconds
    os.utime(path, (moment, moment))
    return path


def test_a_lease_is_gone_after_the_block_and_after_an_error(tmp_path: Path) -> None:
    with lease(tmp_path, "key", 1, silent):
        assert json.loads((tmp_path / "key.json").read_text())["pid"] == os.getpid()
    with pytest.raises(RuntimeError), lease(tmp_path, "key", 1, silent):
        raise RuntimeError
    assert not (tmp_path / "key.json").exists()


def test_eight_processes_that_ask_for_one_key_hold_it_one_after_the_other(tmp_path: Path) -> None:
    # a lease whose holder is dead lies there already, so that all eight rush to take it over
    write_lease(tmp_path, socket.gethostname(), 2**22 + 1, "1", 0)
    processes = [start(tmp_path, 0.05) for _ in range(8)]
    assert [process.wait(timeout=60) for process in processes] == [0] * 8
    for process in processes:
        assert process.stdout is not None
        process.stdout.close()
    spans = sorted(tuple(map(float, line.split())) for line in (tmp_path / "spans").read_text().splitlines())
    assert len(spans) == 8
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(spans))


def test_the_lease_of_a_killed_holder_is_taken_over_at_once(tmp_path: Path) -> None:
    with start(tmp_path, 60) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        process.send_signal(signal.SIGKILL)
        # not waited for yet: a zombie is dead too
        began = time.monotonic()
        with lease(tmp_path, "key", 5, silent):
            assert time.monotonic() - began < 2


def test_a_living_holder_is_waited_for_and_named(tmp_path: Path) -> None:
    said: list[str] = []
    with start(tmp_path, 60) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(LeaseTimeout, match=str(process.pid)), lease(tmp_path, "key", 0.3, said.append):
            pass
        process.kill()
    assert len(said) == 1


def test_a_reused_process_number_does_not_hold_a_lease(tmp_path: Path) -> None:
    write_lease(tmp_path, socket.gethostname(), os.getpid(), "1", 0)
    with lease(tmp_path, "key", 1, silent):
        pass


def test_another_host_s_lease_lives_by_its_heartbeat(tmp_path: Path) -> None:
    write_lease(tmp_path, "elsewhere", 1, "1", STALE_SECONDS / 2)
    with pytest.raises(LeaseTimeout, match="elsewhere"), lease(tmp_path, "key", 0.3, silent):
        pass
    write_lease(tmp_path, "elsewhere", 1, "1", STALE_SECONDS * 2)
    with lease(tmp_path, "key", 0.3, silent):
        pass


def test_a_torn_lease_is_taken_over_once_it_is_old(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    path.write_text("")
    with pytest.raises(LeaseTimeout), lease(tmp_path, "key", 0.3, silent):
        pass
    os.utime(path, (1, 1))
    with lease(tmp_path, "key", 0.3, silent):
        pass


def test_a_lease_that_was_taken_over_is_not_removed_by_its_first_holder(tmp_path: Path) -> None:
    with lease(tmp_path, "key", 1, silent):
        (tmp_path / "key.json").unlink()
        write_lease(tmp_path, "elsewhere", 1, "1", 0)
    assert json.loads((tmp_path / "key.json").read_text())["host"] == "elsewhere"


def test_the_heartbeat_renews_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("domainlm.store.lease.HEARTBEAT_SECONDS", 0.05)
    with lease(tmp_path, "key", 1, silent):
        os.utime(tmp_path / "key.json", (1, 1))
        time.sleep(0.5)
        assert time.time() - (tmp_path / "key.json").stat().st_mtime < 5


def test_two_keys_do_not_wait_for_each_other(tmp_path: Path) -> None:
    with lease(tmp_path, "one", 1, silent), lease(tmp_path, "two", 1, silent):
        pass


def test_is_alive() -> None:
    assert is_alive(os.getpid(), process_start(os.getpid()))
    assert is_alive(os.getpid(), "")
    assert not is_alive(os.getpid(), "1")
    assert not is_alive(2**22 + 1, "")
