from __future__ import annotations

import ctypes
import fcntl
import io
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from domainlm.raw.unreadable import Unreadable
from domainlm.text.reading import isolation
from domainlm.text.reading.isolation import ReaderProcess
from domainlm.text.reading.pieces import Piece, Rejection


def piece(text: str) -> Piece:
    return Piece("", "0", 0, -1, "", text)


def behave(data: bytes, folder: str = "") -> Iterator[Piece | Rejection]:
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
        # more than any gap that other tests left in the heap, which would be used without asking for memory
        bytearray(8_000_000_000)
    elif data == b"much memory":
        yield piece(str(len(bytearray(40_000_000))))
        return
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
    yield piece(f"{data.decode()} {os.getpid()}")
    yield Rejection("scanned_pages", "page 2 of 3")


def first_of(process: ReaderProcess, data: bytes) -> Piece:
    found = list(process.read(behave, data))[:1]
    assert isinstance(found[0], Piece)
    return found[0]


def outcome(process: ReaderProcess, data: bytes, folder: str = "") -> str:
    try:
        found = list(process.read(behave, data, folder))
    except Unreadable as error:
        return error.reason
    assert isinstance(found[0], Piece)
    return found[0].text.split()[0]


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
    with ReaderProcess(0.3 if reason == "time_limit" else 20, 200) as process:
        assert outcome(process, b"first") == "first"
        assert outcome(process, data) == reason
        assert outcome(process, b"next") == "next"


def test_good_files_share_a_process_and_a_new_one_follows_a_bad_file() -> None:
    with ReaderProcess(20, 200) as process:
        children = [first_of(process, b"good") for _ in range(3)]
        assert children[0] == children[1] == children[2]
        assert str(os.getpid()) not in str(children[0])
        assert list(process.read(behave, b"good"))[1] == Rejection("scanned_pages", "page 2 of 3")
        assert outcome(process, b"crash") == "crashed"
        assert first_of(process, b"good") != children[0]


def test_a_parser_that_waits_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "WALL_SECONDS_PER_CPU_SECOND", 2.0)
    with ReaderProcess(0.2, 200) as process:
        assert outcome(process, b"sleep") == "time_limit"
        assert outcome(process, b"next") == "next"


def test_a_file_s_verdict_does_not_depend_on_those_before_it(tmp_path: Path) -> None:
    with ReaderProcess(20, 200) as process:
        assert [outcome(process, b"second", str(tmp_path)) for _ in range(3)] == ["second"] * 3
        # memory that a crash of another file would have taken is not counted against this one
        assert [outcome(process, data) for data in (b"memory", b"much memory")] == ["memory_limit", "40000000"]


def test_a_reason_says_nothing_of_the_machine() -> None:
    with ReaderProcess(20, 200) as process, pytest.raises(Unreadable) as caught:
        list(process.read(behave, b"error"))
    assert caught.value.detail == "KeyError in the reader"


def test_large_files_and_results_pass_through() -> None:
    data = b"x" * 5_000_000
    with ReaderProcess(5, 200) as process:
        found = first_of(process, data)
        assert isinstance(found, Piece)
        assert found.text.split()[0] == data.decode()


def test_no_process_starts_where_nothing_is_read_and_none_is_left(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    with ReaderProcess(20, 200):
        pass
    with ReaderProcess(20, 200) as process:
        child = int(first_of(process, b"good").text.split()[1])
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    assert before == (len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0)


def test_the_child_holds_no_lock_of_the_build(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with ReaderProcess(30, 200) as process:
        with path.open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            list(process.read(behave, b"good"))
        with path.open("w") as again:
            fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_the_child_ends_with_a_killed_build(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "from tests.text.reading.test_isolation import behave\n"
        "from domainlm.text.reading.isolation import ReaderProcess\n"
        "process = ReaderProcess(30, 200).__enter__()\n"
        "print(list(process.read(behave, b'good'))[0].text.split()[1], flush=True)\n"
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
    with ReaderProcess(5, 200) as process:
        list(process.read(behave, b"good"))
        before = resource.getrusage(resource.RUSAGE_SELF)
        begin = time.perf_counter()
        for _ in range(300):
            list(process.read(behave, b"good" * 1000))
        seconds = time.perf_counter() - begin
        after = resource.getrusage(resource.RUSAGE_SELF)
    # the processor's time: a busy machine says nothing of the cost
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.3, seconds


def many(file: BinaryIO, fault: str, folder: str) -> Iterator[Piece | Rejection]:
    """Records by line, with a fault at the end; `once`: only in a process that is not the first."""
    for number, line in enumerate(file):
        yield piece(f"{number} {line!r}" + "x" * 50_000)
    if fault == "once" and not Path(folder, "crashed").exists():
        Path(folder, "crashed").touch()
        os.kill(os.getpid(), signal.SIGSEGV)
    if fault == "always":
        os.kill(os.getpid(), signal.SIGSEGV)
    if fault == "error":
        raise KeyError


@pytest.mark.parametrize(
    ("fault", "count", "reason"), [("once", 105, ""), ("always", 100, "crashed"), ("error", 105, "crashed")]
)
def test_what_came_before_a_fault_comes_once(tmp_path: Path, fault: str, count: int, reason: str) -> None:
    # ten records make a batch: of those after the last one only an exception leaves something
    texts, caught = [], ""
    with ReaderProcess(30, 200) as process:
        assert outcome(process, b"first") == "first"
        try:
            for each in process.read(many, fault, str(tmp_path), file=io.BytesIO(b"line\n" * 105)):
                assert isinstance(each, Piece)
                texts.append(each.text.split()[0])
        except Unreadable as error:
            caught = error.reason
        assert outcome(process, b"next") == "next"
    assert texts == [str(number) for number in range(count)]
    assert caught == reason


def slow(file: BinaryIO, is_reading: bool) -> Iterator[Piece | Rejection]:
    """Five times 0.2 s, each for a record that is given or for bytes that are read."""
    for _ in range(5):
        end = time.process_time() + 0.2
        while time.process_time() < end:
            pass
        if is_reading:
            file.read(isolation.FILE_BUFFER_BYTES)
        else:
            yield piece("x" * isolation.BATCH_CHARS)


@pytest.mark.parametrize("is_reading", [True, False])
def test_the_time_limit_is_not_that_of_a_large_good_file(is_reading: bool) -> None:
    file = io.BytesIO(bytes(isolation.FILE_BUFFER_BYTES * 6))
    with ReaderProcess(0.5, 200) as process:
        assert len(list(process.read(slow, is_reading, file=file))) == (0 if is_reading else 5)


def endless(_: str) -> Iterator[Piece | Rejection]:
    while True:
        yield piece("x" * isolation.BATCH_CHARS)


def test_a_caller_may_stop_and_holds_no_more_than_a_batch() -> None:
    with ReaderProcess(5, 200) as process:
        found = process.read(endless, "")
        assert [len(next(found).text) for _ in range(3)] == [isolation.BATCH_CHARS] * 3  # type: ignore[union-attr]
        found.close()
        assert outcome(process, b"next") == "next"


def small_objects(count: int) -> Iterator[Piece | Rejection]:
    held = [bytes(400) for _ in range(count)]
    yield piece(str(len(held)))


def test_memory_that_the_build_has_freed_is_not_given_to_a_reader() -> None:
    with ReaderProcess(30, 200) as process:
        held = [bytes(400) for _ in range(500_000)]
        held = held[::2000]
        with pytest.raises(Unreadable) as caught:
            list(process.read(small_objects, 700_000))
        assert caught.value.reason == "memory_limit"
        assert held
