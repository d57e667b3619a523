"""JSON from others, within a depth that every supported Python reads.

In: text. Out: its value. The depth at which the parser gives up differs between Python versions (about 1,000 in 3.11,
more in 3.12), and so does the error; here the depth is counted first, in linear time, and there is one kind of error.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

MAX_JSON_DEPTH = 200
# of a whole number: what every Python converts, however it is set
MAX_DIGITS = 640
# a string that never ends goes to the end of the text: it is not looked for again from each quote in it
_JSON_BRACKETS = re.compile(r'"[^"\\]*+(?>(?:\\.[^"\\]*+)*)(?:"|\\?\Z)|([\[{])|([\]}])', re.DOTALL)


class InvalidJson(ValueError):
    """A text that is no JSON value, or is nested too deeply."""


def json_depth(text: str) -> int:
    """Deepest nesting of arrays and objects."""
    depth = deepest = 0
    for match in _JSON_BRACKETS.finditer(text):
        depth += (match[1] is not None) - (match[2] is not None)
        deepest = max(deepest, depth)
    return deepest


def _number(digits: str) -> int | Decimal:
    return int(digits) if len(digits) <= MAX_DIGITS else Decimal(digits)


def parsed_json(text: str, has_long_numbers: bool = False) -> Any:
    """A JSON value. Raises InvalidJson.

    has_long_numbers: whole numbers with more digits than Python converts are decimal numbers, and not an error.
    """
    if text.count("[") + text.count("{") > MAX_JSON_DEPTH and json_depth(text) > MAX_JSON_DEPTH:
        raise InvalidJson(f"nested deeper than {MAX_JSON_DEPTH} arrays and objects")
    try:
        return json.loads(text)
    except ValueError as error:
        if not has_long_numbers or isinstance(error, json.JSONDecodeError):
            # the parser's own message differs between Python versions
            raise InvalidJson("not a JSON value that can be read") from error
    return json.loads(text, parse_int=_number)
