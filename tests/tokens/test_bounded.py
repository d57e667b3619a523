from __future__ import annotations

import gc
import os
import signal
import time
from typing import Any

import pytest

from domainlm.tokens.bounded import Bounded, CallFailed, OverLimit, is_panic


def test_calls_run_in_one_process_of_their_own() -> None:
    kept: list[int] = []

    def note(number: int) -> tuple[int, int]:
        kept.append(number)
        return os.getpid(), sum(kept)

    with Bounded(note, 5, 100) as call:
        first, second = call(1), call(2)
    assert first[0] == second[0] != os.getpid()
    assert (first[1], second[1], kept) == (1, 3, [])
    with pytest.raises(ProcessLookupError):
        os.kill(first[0], 0)


def test_nothing_is_started_that_is_not_called() -> None:
    with Bounded(os.getpid, 5, 100):
        pass
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_what_a_function_raises_is_told() -> None:
    with Bounded(lambda: 1 // 0, 5, 100) as call:
        with pytest.raises(CallFailed, match="ZeroDivisionError: "):
            call()
        with pytest.raises(CallFailed, match="ZeroDivisionError: "):
            call()


def spin() -> None:
    while True:
        pass


def take() -> int:
    # more than any gap that other tests left in the heap, which would be used without asking for memory
    return len(bytes(8_000_000_000))


@pytest.mark.parametrize(
    ("function", "max_seconds", "words"),
    [
        (spin, 0.2, "took more than 0.2 CPU seconds"),
        (take, 20, "took more than 100 MB of memory"),
        (lambda: os.abort(), 20, "ended its process, as libraries do"),
        (lambda: os.kill(os.getpid(), signal.SIGSEGV), 20, "ended its process by SIGSEGV"),
        (lambda: os._exit(3), 20, "ended its process"),
    ],
)
def test_what_ends_the_process_is_named_and_the_next_call_works(function: Any, max_seconds: float, words: str) -> None:
    with Bounded(lambda is_bad: function() if is_bad else 5, max_seconds, 100) as call:
        assert call(False) == 5
        with pytest.raises(OverLimit, match=words):
            call(True)
        assert call(False) == 5


def test_a_call_does_not_pay_for_the_garbage_of_its_parent() -> None:
    with Bounded(lambda: len(gc.get_objects()), 20, 500) as call:
        assert call() < 1000 < len(gc.get_objects())


def test_a_call_that_only_waits_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("domainlm.tokens.bounded.WALL_SECONDS_PER_CPU_SECOND", 1.0)
    with Bounded(lambda: time.sleep(60), 0.3, 100) as call, pytest.raises(OverLimit, match=r"0\.3 seconds"):
        call()


def test_open_files_are_not_held(tmp_path: Any) -> None:
    reader, writer = os.pipe()
    with Bounded(os.getpid, 5, 100) as call:
        call()
        os.close(writer)
        # a copy of the writing end in the child would keep this waiting
        assert os.read(reader, 1) == b""
    os.close(reader)


def test_a_library_in_rust_that_gives_up_is_told_like_any_other() -> None:
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.BPE(vocab={"a": 0}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("(a+)+c"), "isolated")

    def gives_up() -> None:
        tokenizer.encode("a" * 30 + "!")

    with Bounded(gives_up, 20, 500) as call, pytest.raises(CallFailed, match="PanicException: Onig"):
        call()
    with pytest.raises(BaseException, match="Onig") as caught:
        gives_up()
    assert is_panic(caught.value)
    assert not isinstance(caught.value, Exception)
    assert not is_panic(KeyboardInterrupt())
