from __future__ import annotations

import random
import re
import time

import pytest

from domainlm.instruction.blocks import blocks_of, plain


def kinds(body: str) -> list[str]:
    return [block.kind for block in blocks_of(body)]


def test_prose_lists_and_labels() -> None:
    body = "The tool reads\ntwo files.\n\nIt takes:\n\n- one file\n\n- another,\n  which is large\n\nTip\n\nUse both of them."
    found = blocks_of(body)
    assert [block.kind for block in found] == ["prose", "prose", "list", "label", "prose"]
    assert found[0].text == "The tool reads two files."
    assert found[2].items == ("one file", "another, which is large")
    assert found[2].text == "- one file\n- another, which is large"


def test_a_list_goes_on_below_its_sentence() -> None:
    [intro, found] = blocks_of("The kinds are:\n* `a` {string}\n  * `b` {number}\n* `c`")
    assert (intro.kind, intro.text) == ("prose", "The kinds are:")
    assert found.text == "- `a` {string}\n  - `b` {number}\n- `c`"
    assert len(found.items) == 2


def test_a_list_with_code_in_it_is_no_answer() -> None:
    assert kinds("- one\n\n      x = 1\n\n- two") == ["other"]
    assert kinds("- one\n\n```\nx\n```\n\n- two") == ["other"]


@pytest.mark.parametrize(
    "text",
    [
        "```\nThis is code. It is fenced.\n```",
        ">>> print(1.)\n1.0",
        "$ apt-get install it. Then go.",
        "    The block is indented. It is code.",
        "const x = require('node:x'); // It is code.",
        "Table 9.14. List of tools that are in use.",
        "Figure 3: The valve is open.",
        "表 2.1 常用的命令列表。",
        "图3：心脏的结构。",
        "[VZ2010] Vedaldi, A. and Zisserman, A. Additive kernels.",
        "| a | b |\n|---|---|\n| One. | Two. |",
        "> Stability: 2 - Stable. It will stay.",
        "pci V:2 A tool.\nusb V:3 Other\nscsi V:4 more\nnet V:5 rest",
        "Home, News, Shop, Log in,",
    ],
)
def test_what_is_neither_prose_nor_list(text: str) -> None:
    assert kinds(text) == ["other"]


def test_rows_below_a_caption_are_a_table() -> None:
    assert kinds("Table 2. The tools\n\nname size\nvalve It is open. 3") == ["other", "other"]


def test_a_sentence_about_a_figure_is_prose() -> None:
    assert kinds("Figure 3 shows the valve of the pump.") == ["prose"]


def test_an_option_is_a_label() -> None:
    assert kinds("--cache=<yes|no> [default: no]\n\nSays whether lines are cached.") == ["label", "prose"]


def test_marks_of_links_are_taken_off() -> None:
    text = "See [the `read` call][read], [this](https://example.org) and ![a picture](x.png) **now**."
    assert plain(text) == "See the `read` call, this and  now."


def test_bold_type_is_read_as_by_the_pattern_that_defines_it() -> None:
    pattern = re.compile(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1")
    draw = random.Random(3)
    for _ in range(3000):
        text = "".join(draw.choices(["*", "**", "_", "__", "a", " ", "b c", "\n"], k=draw.randrange(1, 14)))
        assert plain(text) == pattern.sub(r"\2", text), text


def test_marks_of_bold_type_without_an_end_take_no_quadratic_time() -> None:
    text = "**a " * 100_000
    begun = time.process_time()
    assert plain(text) == text
    # by a pattern, minutes
    assert time.process_time() - begun < 5
