from __future__ import annotations

import time

import pytest

from domainlm.raw.json_text import InvalidJson, json_depth, parsed_json


def test_brackets_in_strings_are_no_nesting() -> None:
    assert json_depth('[{"a[[": ["b\\"]]", {}]}]') == 4


@pytest.mark.parametrize("rest", ['\\"' * 20_000, '\\"' * 20_000 + "\\"], ids=["quotes", "backslash"])
def test_a_string_that_never_ends_takes_linear_time(rest: str) -> None:
    begin = time.process_time()
    with pytest.raises(InvalidJson):
        parsed_json("[" * 201 + '"' + rest)
    assert time.process_time() - begin < 0.5


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "9" * 5000, "[1", "", "\ud800"])
def test_what_cannot_be_read_is_one_kind_of_error(text: str) -> None:
    with pytest.raises(InvalidJson):
        parsed_json(text)


def test_values_within_the_depth_are_read() -> None:
    assert parsed_json("[" * 200 + "]" * 200) is not None
    assert parsed_json('{"a": [1, "x"]}') == {"a": [1, "x"]}
