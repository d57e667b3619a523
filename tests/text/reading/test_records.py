from __future__ import annotations

import time

import pytest

from domainlm.text.reading.pieces import Unreadable
from domainlm.text.reading.records import json_depth, parsed_json


def test_brackets_in_strings_are_no_nesting() -> None:
    assert json_depth('[{"a[[": ["b\\"]]", {}]}]') == 4


@pytest.mark.parametrize("rest", ['\\"' * 20_000, '\\"' * 20_000 + "\\"], ids=["quotes", "backslash"])
def test_a_string_that_never_ends_takes_linear_time(rest: str) -> None:
    begin = time.process_time()
    with pytest.raises(Unreadable):
        parsed_json("[" * 201 + '"' + rest)
    assert time.process_time() - begin < 0.5
