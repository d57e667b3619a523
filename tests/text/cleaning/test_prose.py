from __future__ import annotations

import time

import pytest

from domainlm.text.cleaning.prose import prose_lines

TOLD = "The loop waits longer each time, as the code shows."


@pytest.mark.parametrize(
    "code",
    [
        "```c\nint get(struct q *q)\n{\n    return -1;\n}\n```",
        "~~~\nget mail\nget mail\n~~~",
        "> ```\n> get mail\n> ```",
        "````\n```\nget mail\n```\nget mail\n````",
        "}\nreturn -1;\n{",
        '{\n"free": 0,\n"open": true\n},',
        "[\n0,\nnull,\n3.5\n]",
        '[0, 1],\n["north", 20]\n{"open": 1}',
        "    try:\n        return queue.pop()\n    except IndexError:\n        return None\n    else:\n        pass",
        "kind: Service\nspec:\n  type: ClusterIP\n  - protocol: TCP",
        "<ward>\n<name>north</name>\n</ward>",
        "$ make all\n>>> print(x)\n// the rest\n#include <a.h>\n@cache",
        "if (a && !b)\nx = y\nmake()\na -> b\nstd::sort(a)",
        "----\n* * *\n|---|---|",
    ],
)
def test_code_data_and_marks_are_not_told(code: str) -> None:
    assert prose_lines(f"{TOLD}\n\n{code}\n\n{TOLD}") == [TOLD, TOLD]


@pytest.mark.parametrize(
    "line",
    [
        "Accept all cookies now",
        "Read more",
        "Note: the dose is in milligrams",
        "It was p = 0.05 in the second group.",
        "The lung is an organ [12]",
        "[1] A reference of the list",
        "Name of the patient(s)",
        "- one of the list",
        "| north | 20 |",
        "肺炎是肺部的炎症",
        "“Yes.”",
        "``` is a fence, as ` is a mark",
    ],
)
def test_what_is_told_is_prose(line: str) -> None:
    assert prose_lines(f"{TOLD}\n{line}\n{TOLD}") == [TOLD, line, TOLD]


def test_an_indented_block_is_code_where_a_third_of_it_looks_so() -> None:
    assert prose_lines("    Accept all cookies\n    Accept all cookies\n    x = y") == []
    assert prose_lines("    Accept all cookies\n    Read more\n    Go on\n    x = y") == [
        "Accept all cookies",
        "Read more",
        "Go on",
    ]
    # a sentence is none, wherever it stands
    assert prose_lines("    x = y\n    Accept all cookies.\n    z = y") == ["Accept all cookies."]


@pytest.mark.parametrize(
    "part", ["```\n", "{\n", "    a\n", "a:", '"', "(", "@a", "<a", "a(", " \t", "a= ", "-", "if "]
)
def test_no_text_takes_long(part: str) -> None:
    started = time.process_time()
    prose_lines(part * 50_000)
    prose_lines(part * 5 + "\n" + "a" + part * 20_000 + "b")
    assert time.process_time() - started < 2
