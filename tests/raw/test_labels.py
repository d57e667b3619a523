from __future__ import annotations

import pytest

from domainlm.raw.labels import labelled, read_table

BASE = {"source": "x", "licence": "MIT", "authority": "official", "stance": "neutral"}


def entry(pattern: str, **labels: str) -> dict[str, str | None]:
    return {"pattern": pattern, "licence": None, "authority": None, "stance": None, **labels}


def test_later_entries_win_and_the_table_wins_over_all_label_by_label() -> None:
    patterns = [
        entry("**/*.md", licence="CC0", stance="a"),
        entry("b/*", stance="b"),
        entry("*.txt", authority="media"),
    ]
    table = {"b/x.md": {"authority": "social"}}
    assert labelled("a.rst", BASE, patterns, {}) == {"licence": "MIT", "authority": "official", "stance": "neutral"}
    assert labelled("a.md", BASE, patterns, {}) == {"licence": "CC0", "authority": "official", "stance": "a"}
    assert labelled("b/x.md", BASE, patterns, table) == {"licence": "CC0", "authority": "social", "stance": "b"}


CSV = '\ufeffpath,stance,licence\r\n"a, b.md", x\u3000,  \r\n./c.md,,CC0\r\n'
JSONL = '{"path": "a, b.md", "stance": "x\\n"}\n\n{"path": "c.md", "licence": " CC0", "stance": null}\n'


@pytest.mark.parametrize("text", [CSV, JSONL])
def test_both_kinds_of_table_say_the_same(text: str) -> None:
    assert read_table(text.encode(), text == JSONL) == {"a, b.md": {"stance": "x"}, "c.md": {"licence": "CC0"}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,license\na,MIT\n", r"line 2: unknown columns license; expected path and any of licence"),
        ("file,licence\na,MIT\n", "line 2: unknown columns file"),
        ("licence\nMIT\n", "line 2: no column path"),
        ("path,licence\na,MIT\na,CC0\n", "line 3: a occurs twice"),
        ("path,licence\n,MIT\n", "line 2: path: expected a text"),
        ("path,licence\na\n", "line 2: expected 2 fields"),
        ("path,licence\na,MIT,x\n", "line 2: expected 2 fields"),
        ('path,licence\n"a"b,MIT\n', "line 2: not CSV"),
        ('{"path": "a", "stance": 3}\n', "line 1: stance: expected a text"),
        ('{"path": "a"\n', "line 1: not JSON"),
        ('{"path": "a"}\n[]\n', "line 2: expected an object"),
    ],
)
def test_what_a_table_must_not_say(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_table(text.encode(), text[0] == "{")


def test_a_table_that_is_not_utf_8() -> None:
    with pytest.raises(ValueError, match="utf-8"):
        read_table("path,licence\n资料,MIT\n".encode("gbk"), False)
