from __future__ import annotations

import pytest

from domainlm.instruction.headings import is_specific, place_of, without_number
from domainlm.text.document import Document


def document(section: str, title: str, path: str = "docs/alter.html", group: str = "") -> Document:
    labels = {"licence": "L", "authority": "unlabelled", "stance": "unlabelled"}
    return Document(
        id="a",
        source="s",
        role="corpus",
        path=path,
        section=section,
        start=0,
        end=1,
        group=group or path,
        links="[]",
        title=title,
        text=title,
        meta="{}",
        **labels,
    )


def place(section: str, title: str, language: str = "en", **changes: str) -> str | None:
    found = place_of(document(section, title, **changes), language)
    return found.text if found else None


@pytest.mark.parametrize(
    "heading",
    [
        "Description",
        "DESCRIPTION",
        "Parameters",
        "Examples",
        "Overview",
        "See also",
        "Return values",
        "Exit status",
        "Advanced usage",
        "3.2 Options and arguments",
        "Chapter 4",
        "Part II",
        "Step 3",
        "Notes on usage",
        "--help",
        "-v",
        "*",
        "说明",
        "参数",
        "参数说明",
        "注意事项",
        "第 3 章 概述",
        "2.1 用法与示例",
        "不良反应",
        "Adverse effects",
    ],
)
def test_a_heading_that_every_document_has_names_no_subject(heading: str) -> None:
    assert not is_specific(heading)


@pytest.mark.parametrize(
    "heading",
    [
        "ALTER TABLE",
        "Seizure",
        "2.7.4. Updates and backports",
        "Memory leaks",
        "`read()`",
        "软件包管理",
        "第 2 章 发热",
        "C++",
    ],
)
def test_a_heading_that_names_its_subject(heading: str) -> None:
    assert is_specific(heading) == (heading != "C++")


@pytest.mark.parametrize(
    ("heading", "name"),
    [
        ("2.7.4. Updates", "Updates"),
        ("Chapter 9. System tips", "System tips"),
        ("Appendix A: Tables", "Tables"),
        ("第 2 章 软件包管理", "软件包管理"),
        ("附录 A. 表", "表"),
        ("一、发热", "发热"),
        ("3D printing", "3D printing"),
        ("Chapter 4", "Chapter 4"),
        ("64-bit systems", "64-bit systems"),
    ],
)
def test_numbers_of_headings(heading: str, name: str) -> None:
    assert without_number(heading) == name


def test_a_heading_gets_its_chain_where_it_names_nothing_alone() -> None:
    assert place("SQL Commands > ALTER TABLE > Parameters", "Parameters") == '"ALTER TABLE > Parameters"'
    assert place("ALTER TABLE > Options > Notes", "Notes") == '"ALTER TABLE > Options > Notes"'
    assert place("第 5 章 发热 > 5.1 概述", "5.1 概述", "zh") == "“发热 > 概述”"


def test_a_heading_gets_the_one_above_as_context() -> None:
    assert place("1. Linear models > 1.2 Ridge", "1.2 Ridge") == '"Ridge" (Linear models)'
    assert place("Linear models > Overview > Ridge", "Ridge") == '"Ridge" (Linear models)'
    assert place("线性模型 > 岭回归", "岭回归", "zh") == "“岭回归”（线性模型）"


def test_the_file_is_named_where_no_heading_does() -> None:
    assert place("Description", "Description") == '"Description" in the file "alter.html"'
    assert place("说明", "说明", "zh") == "文件“alter.html”中的“说明”"
    # one word may be the heading of another file
    assert place("Principles", "Authentication") == '"Authentication" in the file "alter.html"'
    assert place("Aspirin", "Aspirin", path="docs/aspirin.md") == '"Aspirin"'
    assert place("Aspirin and its history", "Aspirin and its history") == '"Aspirin and its history"'


def test_a_record_is_named_by_its_title_alone() -> None:
    record = {"path": "rows.jsonl", "group": "rows.jsonl#Ridge"}
    assert place("line 5", "Ridge", **record) == '"Ridge"'
    assert place("line 5", "Description", **record) is None
    assert place("line 5", "", **record) is None
