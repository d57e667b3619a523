from __future__ import annotations

import time

import pytest

from domainlm.text.reading.markdown import read_markdown

TEXT = """---
title: ignored
---
Before any heading.

# Lung `diseases` #

Intro <!-- hidden
--> text.

```python
# not a heading
```

## [Pneumonia](x.md)
Body of pneumonia.

Asthma
------
- item
- item

***
| a | b |
|---|---|

#
#hashtag is text

# Heart
"""


def test_sections_at_headings() -> None:
    sections = read_markdown(TEXT)
    assert [section.path for section in sections] == [
        (),
        ("Lung diseases",),
        ("Lung diseases", "Pneumonia"),
        ("Lung diseases", "Asthma"),
        ("Heart",),
    ]
    assert "ignored" not in sections[0].body
    assert sections[0].body.strip() == "Before any heading."
    assert "# not a heading" in sections[1].body
    assert "hidden" not in sections[1].body
    assert sections[3].body.startswith("- item\n- item\n\n***\n| a | b |")
    assert "#hashtag is text" in sections[3].body
    assert sections[4].body == ""


def test_offsets_are_those_of_the_text() -> None:
    sections = read_markdown(TEXT)
    assert TEXT[sections[2].start : sections[2].end].startswith("## [Pneumonia](x.md)\nBody")
    assert TEXT[sections[3].start :].startswith("Asthma\n------")
    assert sections[0].start == 0
    assert sections[-1].end == len(TEXT)


def test_windows_line_ends_chinese_and_no_heading() -> None:
    sections = read_markdown("# 肺炎\r\n肺炎是一种疾病。\r\n## 治疗\r\n抗感染。\r\n")
    assert [(s.path, s.body) for s in sections] == [(("肺炎",), "肺炎是一种疾病。"), (("肺炎", "治疗"), "抗感染。")]
    assert [s.body for s in read_markdown("just text")] == ["just text"]
    assert read_markdown("") == []


def test_comments_that_never_end_are_text() -> None:
    assert read_markdown("a <!-- b --> c <!-- d")[0].body == "a  c <!-- d"
    assert len(read_markdown("<!--" * 200_000)[0].body) == 800_000


@pytest.mark.parametrize(
    "text",
    [
        "# " + "[" * 20_000,
        "# " + "[](" * 20_000,
        "# a" + " " * 20_000 + "b",
        "# a" + "{#" * 20_000 + "b",
        "# a{#b}" + " " * 20_000 + "b",
        "<!-- x -->" + " `a" * 40_000,
        "<!-- x -->" + " a".join("`" * length for length in range(1, 600)),
        "<!-- x -->\n" + ("~" * 3 + "\n") * 40_000,
        "---\n" + " \n" * 40_000,
        "---\n" + "a: b\n" * 40_000,
        "---\n" + "a" * 400_000,
    ],
    ids=range(11),
)
def test_long_runs_take_linear_time(text: str) -> None:
    begin = time.process_time()
    read_markdown(text)
    assert time.process_time() - begin < 0.5


@pytest.mark.parametrize(
    "text",
    [
        "It begins with `<!--` in HTML.\n\n```mermaid\nA --> B\n```\n\nThe end.",
        "```html\n<p>\n<!-- the sidebar -->\n</p>\n```",
        "- a list:\n\n  ~~~~html\n  ~~~\n  <!-- x -->\n  ~~~~\n\n> ```\n> <!-- y -->\n> ```",
        "``a ` <!-- b -->`` and ```<!-- c -->```",
        "never closed:\n\n```html\n<!-- x -->",
    ],
)
def test_comments_in_code_are_text(text: str) -> None:
    assert [section.body for section in read_markdown(text)] == [text]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("`code` <!-- a ` b --> ``text <!-- c -->\n\nmore``", "`code`  ``text \n\nmore``"),
        ("<!--\n```\n-->text<!-- ``` -->", "text"),
        ("\\`<!-- a -->` \\```<!-- b -->", "\\`` \\```"),
        ("```\ncode\n```\n<!-- a -->text", "```\ncode\n```\ntext"),
        ("``` x ``` <!-- a -->text", "``` x ``` text"),
    ],
    ids=range(5),
)
def test_comments_beside_code_go(text: str, expected: str) -> None:
    assert [section.body for section in read_markdown(text)] == [expected]


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("---\n\nAn opening that matters.\n\n---\nMore.", "---\n\nAn opening that matters.\n\n---\nMore."),
        ("---\n标题: x\ntags:\n- y\n---\nMore.", "More."),
        ("---\r\n\r\n'title': x\r\n...\r\nMore.", "More."),
        ("---\n# required metadata\n\ntitle: x\n---\nMore.", "More."),
        ('---\n"long name": x\nms author: |\n  What\n\n  follows\nog:title:\n- a\n-\n---\nMore.', "More."),
        ("---\n- y\ntags : [\n  a\n]\n--- \nMore.", "More."),
        ("---\ntitle: x\n---\n\nMore.", "More."),
        ("---\ntitle: x\nMore.", "---\ntitle: x\nMore."),
        ("---\n# More\n\n- a\n\n---", "---|More|- a\n\n---"),
        (
            "---\n\nTake care of this: it matters.\nIt does.\n\n---",
            "---\n\nTake care of this: it matters.\nIt does.\n\n---",
        ),
        (
            "---\n\nOf what we have seen so far: it matters.\n\n---",
            "---\n\nOf what we have seen so far: it matters.\n\n---",
        ),
        ("---\nhttp://a.b/c\n\n---", "---\nhttp://a.b/c\n\n---"),
    ],
    ids=range(12),
)
def test_front_matter_is_names_with_values(text: str, body: str) -> None:
    sections = read_markdown(text)
    assert [part for section in sections for part in (section.title, section.body.strip()) if part] == body.split("|")


@pytest.mark.parametrize(
    "front",
    [
        '+++\ntitle = "Fever"\ndate = 2024-05-03T10:00:00Z\n[params]\n  tags = [\n  "a",\n]\n+++\n',
        '{\n  "title": "Fever",\n  "tags": {\n}\n}\n',
        "+++\r\ntitle = 'x'\r\n+++\r\n",
        '{"Date": "2024-05-03", "weight": 3}\n',
    ],
)
def test_front_matter_of_other_forms_is_no_text(front: str) -> None:
    (section,) = [each for each in read_markdown(f"{front}\n# Fever\n\nDrink a lot.\n") if each.body.strip()]
    assert (section.title, section.body.strip()) == ("Fever", "Drink a lot.")


@pytest.mark.parametrize(
    "text",
    [
        "+++\nplain words\n+++\nmore\n",
        "{\nno JSON\n}\nmore\n",
        "+++\na = 1\nmore\n",
        "{\n",
        '["a"]\n',
        '{"dose": 5}\n\nGive it.\n',
    ],
)
def test_what_is_no_front_matter_stays(text: str) -> None:
    (section,) = read_markdown(text)
    assert section.body == text.strip("\n")


def test_all_lines_of_an_underlined_heading_are_its_title() -> None:
    text = "Fever in children and\nwhat helps\nagainst it\n===\n\nDrink.\n\nSigns\nof it\n---\nHeat.\n"
    assert [(each.title, each.body.strip()) for each in read_markdown(text)] == [
        ("Fever in children and what helps against it", "Drink."),
        ("Signs of it", "Heat."),
    ]
    # a long paragraph above a rule is none
    long = "One line of it.\n" * 6
    assert [each.title for each in read_markdown(f"{long}Rest\n---\nHeat.\n")] == ["", "Rest"]
    assert read_markdown(f"{long}Rest\n---\nHeat.\n")[0].body.count("One line") == 6
