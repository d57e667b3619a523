from __future__ import annotations

import errno
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from domainlm.store.lease import LeaseTimeout, host, is_alive, lease, process_start

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


def write_lease(folder: Path, of_host: str, pid: int, started: str) -> Path:
    path = folder / "key.json"
    path.write_text(json.dumps({"host": of_host, "pid": pid, "start": started}))
    return path


def test_a_lease_is_gone_after_the_block_and_after_an_error(tmp_path: Path) -> None:
    with lease(tmp_path, "key", 1, silent):
        assert json.loads((tmp_path / "key.json").read_text())["pid"] == os.getpid()
    with pytest.raises(RuntimeError), lease(tmp_path, "key", 1, silent):
        raise RuntimeError
    assert not (tmp_path / "key.json").exists()


def test_eight_processes_that_ask_for_one_key_hold_it_one_after_the_other(tmp_path: Path) -> None:
    # a lease whose holder is dead lies there already, so that all eight rush to take it over
    write_lease(tmp_path, host(), 2**22 + 1, "1")
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
    write_lease(tmp_path, host(), os.getpid(), "1")
    with lease(tmp_path, "key", 1, silent):
        pass


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds in which a lease may stay as it is, shortened."""
    monkeypatch.setattr("domainlm.store.lease.STALE_SECONDS", 0.8)
    monkeypatch.setattr("domainlm.store.lease.HEARTBEAT_SECONDS", 0.4)


@pytest.mark.parametrize("clock", [0.0, -1e6, 1e6])
@pytest.mark.usefixtures("short")
def test_another_host_s_lease_lives_as_long_as_it_changes(tmp_path: Path, clock: float) -> None:
    # that host's clock, or this one's, is wrong by days: only whether the time changes counts
    path = write_lease(tmp_path, "elsewhere", 1, "1")
    stop = threading.Event()

    def beat() -> None:
        number = 0
        while not stop.wait(0.2):
            number += 1
            os.utime(path, (1e9 + clock + number, 1e9 + clock + number))

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        with pytest.raises(LeaseTimeout, match="elsewhere"), lease(tmp_path, "key", 1.6, silent):
            pass
    finally:
        stop.set()
        thread.join()
    # its host died
    began = time.monotonic()
    with lease(tmp_path, "key", 5, silent):
        assert 0.7 < time.monotonic() - began < 2


@pytest.mark.usefixtures("short")
def test_a_jump_of_the_clock_takes_no_lease_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_lease(tmp_path, "elsewhere", 1, "1")
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 1e7)
    with pytest.raises(LeaseTimeout), lease(tmp_path, "key", 0.3, silent):
        pass


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("text", ["", '{"host": "else', "[]", '{"pid": 1}'])
def test_a_torn_lease_is_taken_over_once_it_stays_torn(tmp_path: Path, text: str) -> None:
    (tmp_path / "key.json").write_text(text)
    with pytest.raises(LeaseTimeout), lease(tmp_path, "key", 0.1, silent):
        pass
    with lease(tmp_path, "key", 2, silent):
        pass


def test_a_machine_of_the_same_name_is_another_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = host()
    assert own.startswith(socket.gethostname())
    assert own == host()
    monkeypatch.setattr(os, "readlink", lambda path: "pid:[1]")
    # its process numbers mean nothing here: a number that nobody has is no dead holder
    write_lease(tmp_path, own, 2**22 + 1, "1")
    assert host() != own
    with pytest.raises(LeaseTimeout), lease(tmp_path, "key", 0.3, silent):
        pass


def test_a_disk_without_room_leaves_no_empty_lease(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"), lease(tmp_path, "key", 1, silent):
        pass
    assert not (tmp_path / "key.json").exists()


def test_a_first_holder_s_heartbeat_does_not_keep_its_successor_alive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("domainlm.store.lease.HEARTBEAT_SECONDS", 0.05)
    with lease(tmp_path, "key", 1, silent):
        (tmp_path / "key.json").unlink()
        path = write_lease(tmp_path, "elsewhere", 1, "1")
        before = path.stat().st_mtime_ns
        time.sleep(0.3)
        assert path.stat().st_mtime_ns == before
    assert path.exists()


def test_the_value_says_whether_another_was_waited_for(tmp_path: Path) -> None:
    with lease(tmp_path, "key", 1, silent) as has_waited:
        assert not has_waited
    with start(tmp_path, 0.5) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with lease(tmp_path, "key", 5, silent) as has_waited:
            assert has_waited


def test_a_lease_that_was_taken_over_is_not_removed_by_its_first_holder(tmp_path: Path) -> None:
    with lease(tmp_path, "key", 1, silent):
        (tmp_path / "key.json").unlink()
        write_lease(tmp_path, "elsewhere", 1, "1")
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


@pytest.mark.usefixtures("short")
def test_a_holder_whose_process_is_hidden_is_judged_by_its_renewal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # /proc mounted with hidepid: the number is alive, and nothing says that it is still the same process
    write_lease(tmp_path, host(), os.getpid(), "1")
    monkeypatch.setattr("domainlm.store.lease._process_facts", lambda pid: [])
    began = time.monotonic()
    with lease(tmp_path, "key", 10, silent):
        assert time.monotonic() - began >= 0.8


@pytest.mark.parametrize("name", ["n" * 300, "a/b", "kn\u00f6ten", "..", "", "10.0.0.1"])
def test_a_host_s_name_is_part_of_a_file_s_name(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: name)
    found = host()
    assert len(found) <= 73
    assert found.isascii()
    assert "/" not in found
    monkeypatch.setattr(socket, "gethostname", lambda: name + "x")
    assert host() != found
