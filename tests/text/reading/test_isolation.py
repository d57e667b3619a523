from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from domainlm.text.reading import isolation
from domainlm.text.reading.isolation import ReaderProcess
from domainlm.text.reading.pieces import Rejection, Section, Unreadable


def behave(data: bytes, folder: str = "") -> list[Section | Rejection]:
    """A parser that does what its file says, bad things included."""
    if data == b"loop":
        while True:
            pass
    elif data == b"loop in C":
        # no byte code is run in it: only the default action of a signal ends it
        sum(range(1 << 62))
    elif data == b"sleep":
        time.sleep(3600)
    elif data == b"crash":
        ctypes.string_at(0)
    elif data == b"exit":
        os._exit(0)
    elif data == b"memory":
        bytearray(400_000_000)
    elif data == b"much memory":
        return [Section((), "", str(len(bytearray(40_000_000))), 0, -1)]
    elif data == b"error":
        raise KeyError("/a/path of this machine")
    elif data == b"unreadable":
        raise Unreadable("encrypted", "it needs a password")
    elif data.startswith(b"second"):
        # what an earlier file has left behind in the parser
        mark = Path(folder, f"pid {os.getpid()}")
        if mark.exists():
            os.kill(os.getpid(), signal.SIGSEGV)
        mark.touch()
    return [Section((), "", f"{data.decode()} {os.getpid()}", 0, -1), Rejection("scanned_pages", "page 2 of 3")]


def outcome(process: ReaderProcess, data: bytes, folder: str = "") -> str:
    try:
        found = process.read(data, folder)
    except Unreadable as error:
        return error.reason
    assert isinstance(found[0], Section)
    return found[0].body.split()[0]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"loop", "time_limit"),
        (b"loop in C", "time_limit"),
        (b"crash", "crashed"),
        (b"memory", "memory_limit"),
        (b"error", "crashed"),
        (b"unreadable", "encrypted"),
        (b"exit", "crashed"),
    ],
)
def test_a_bad_file_has_a_reason_and_the_next_is_read(data: bytes, reason: str) -> None:
    with ReaderProcess(behave, 0.3, 200) as process:
        assert outcome(process, b"first") == "first"
        assert outcome(process, data) == reason
        assert outcome(process, b"next") == "next"


def test_good_files_share_a_process_and_a_new_one_follows_a_bad_file() -> None:
    with ReaderProcess(behave, 0.3, 200) as process:
        children = [process.read(b"good")[0] for _ in range(3)]
        assert children[0] == children[1] == children[2]
        assert str(os.getpid()) not in str(children[0])
        assert process.read(b"good")[1] == Rejection("scanned_pages", "page 2 of 3")
        assert outcome(process, b"crash") == "crashed"
        assert process.read(b"good")[0] != children[0]


def test_a_parser_that_waits_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "WALL_SECONDS_PER_CPU_SECOND", 2.0)
    with ReaderProcess(behave, 0.2, 200) as process:
        assert outcome(process, b"sleep") == "time_limit"
        assert outcome(process, b"next") == "next"


def test_a_file_s_verdict_does_not_depend_on_those_before_it(tmp_path: Path) -> None:
    with ReaderProcess(behave, 0.3, 200) as process:
        assert [outcome(process, b"second", str(tmp_path)) for _ in range(3)] == ["second"] * 3
        # memory that a crash of another file would have taken is not counted against this one
        assert [outcome(process, data) for data in (b"memory", b"much memory")] == ["memory_limit", "40000000"]


def test_a_reason_says_nothing_of_the_machine() -> None:
    with ReaderProcess(behave, 0.3, 200) as process, pytest.raises(Unreadable) as caught:
        process.read(b"error")
    assert caught.value.detail == "KeyError in the reader"


def test_large_files_and_results_pass_through() -> None:
    data = b"x" * 5_000_000
    with ReaderProcess(behave, 5, 200) as process:
        found = process.read(data)[0]
        assert isinstance(found, Section)
        assert found.body.split()[0] == data.decode()


def test_no_process_starts_where_nothing_is_read_and_none_is_left(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    with ReaderProcess(behave, 0.3, 200):
        pass
    with ReaderProcess(behave, 0.3, 200) as process:
        child = int(process.read(b"good")[0].body.split()[1])  # type: ignore[union-attr]
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    assert before == (len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0)


def test_the_child_holds_no_lock_of_the_build(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with ReaderProcess(behave, 30, 200) as process:
        with path.open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            process.read(b"good")
        with path.open("w") as again:
            fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_the_child_ends_with_a_killed_build(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "from tests.text.reading.test_isolation import behave\n"
        "from domainlm.text.reading.isolation import ReaderProcess\n"
        "process = ReaderProcess(behave, 30, 200)\n"
        "print(process.read(b'good')[0].body.split()[1], flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    child = int(done.stdout)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and Path(f"/proc/{child}").exists():
        time.sleep(0.01)
    assert not Path(f"/proc/{child}").exists()


def test_a_file_costs_less_than_a_millisecond() -> None:
    with ReaderProcess(behave, 5, 200) as process:
        process.read(b"good")
        before = resource.getrusage(resource.RUSAGE_SELF)
        begin = time.perf_counter()
        for _ in range(300):
            process.read(b"good" * 1000)
        seconds = time.perf_counter() - begin
        after = resource.getrusage(resource.RUSAGE_SELF)
    # the processor's time: a busy machine says nothing of the cost
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.3, seconds
