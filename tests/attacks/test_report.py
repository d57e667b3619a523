"""What strangers wrote, in the pages and tables that a build leaves."""

from __future__ import annotations

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from material.attack import attack
from material.report_artifacts import artifacts

from domainlm.contract import Resources
from domainlm.pipeline.slices import parse_slice
from domainlm.stages.eval_report import run

SCRIPT = "</script><script>alert(1)</script>"
IMAGE = '"><img src=x onerror=alert(1)>'
LINK = "javascript:alert(1)"
TEMPLATE = "{{ 7 * 7 }}{% raw %}"
FORMULA = "=cmd|' /C calc'!A0"


class Elements(HTMLParser):
    """Names and attributes of every element that a browser makes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def elements(page: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Elements()
    parser.feed(page)
    return parser.found


def report_of(root: Path, said: str) -> Path:
    """The report of artifacts in which every text of a stranger (names, labels, addresses, questions, answers, excerpts) is this."""
    inputs = artifacts(root / "artifacts")
    keys = {"question", "reference", "answer", "path", "section", "excerpt", "detail", "licence", "authority", "stance"}
    keys |= {"package", "version", "url", "reason"}

    def replaced(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {(said if name in ("notes",) else name): replaced(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [replaced(item, key) for item in value]
        return said if isinstance(value, str) and (key in keys or value == "notes") else value

    for path in sorted((root / "artifacts").rglob("*.json*")):
        lines = path.read_text(encoding="utf-8").splitlines()
        path.write_text("".join(json.dumps(replaced(json.loads(each))) + "\n" for each in lines), encoding="utf-8")
    (root / "out").mkdir()
    models = [{"name": name, "checkpoint": "base_model", "adapter": None} for name in ("base", "pt", "sft")]
    config = parse_slice("eval_report", {"section": {"title": said}, "domain": "medical", "models": models})
    run(inputs, config, root / "out", root, Resources(log=lambda line: None))
    return root / "out"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One report in which every text tries everything."""
    said = f"{FORMULA}{SCRIPT}{IMAGE}{TEMPLATE}{LINK}"
    return report_of(tmp_path_factory.mktemp("hostile"), said)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report_of(tmp_path_factory.mktemp("plain"), "words")


def shape(page: Path) -> list[tuple[str, list[str]]]:
    return [(tag, sorted(names)) for tag, names in elements(page.read_text(encoding="utf-8"))]


@attack(
    "corpus",
    "HTML injection",
    "titles, questions, excerpts and labels that close a script and open another",
    "both pages have the same elements as with plain words",
)
@pytest.mark.parametrize("page", ["report.html", "data_card.html"])
def test_a_text_opens_no_script(page: str, plain: Path, hostile: Path) -> None:
    found = hostile / page
    assert shape(found) == shape(plain / page)


@attack(
    "corpus",
    "HTML injection",
    "a file's name or title that closes an attribute and adds `onerror`",
    "no element and no attribute of it is made",
)
@pytest.mark.parametrize("page", ["report.html", "data_card.html"])
def test_a_text_adds_no_attribute(page: str, plain: Path, hostile: Path) -> None:
    found = hostile / page
    assert shape(found) == shape(plain / page)
    assert not [
        tag for tag, names in elements(found.read_text(encoding="utf-8")) if any(n.startswith("on") for n in names)
    ]


@attack(
    "domain file",
    "script address",
    "a source whose address is `javascript:...`",
    "pages have no links: an address is only text",
)
@pytest.mark.parametrize("page", ["report.html", "data_card.html"])
def test_an_address_is_only_text(page: str, hostile: Path) -> None:
    found = elements((hostile / page).read_text(encoding="utf-8"))
    assert not [tag for tag, names in found if {"href", "src", "action", "formaction", "srcdoc"} & set(names)]


@attack(
    "corpus",
    "template injection",
    "a document whose title is a Jinja expression",
    "the page shows the expression; it is never evaluated",
)
def test_a_text_is_no_template(hostile: Path) -> None:
    for page in ("report.html", "data_card.html"):
        assert "{{ 7 * 7 }}{% raw %}" in (hostile / page).read_text(encoding="utf-8")


@attack(
    "corpus",
    "script in embedded data",
    "a source's or a reason's name with `</script>` that a plot shows",
    "inside the page's data it is escaped, so the script ends where it should",
)
def test_embedded_data_closes_no_script(hostile: Path) -> None:
    page = (hostile / "report.html").read_text(encoding="utf-8")
    assert SCRIPT not in page
    assert len(re.findall(r"<script[ >]", page)) == len(re.findall(r"</script>", page))


@attack(
    "corpus",
    "formula injection",
    "texts and names that begin with =, +, -, @ or a tab",
    "the exported tables hold numbers only; texts are in JSON",
)
def test_exported_tables_hold_numbers_only(hostile: Path) -> None:
    assert sorted(path.suffix for path in hostile.iterdir()) == [".html", ".html", ".json", ".json"]
    tables = [path for path in (hostile.parent / "artifacts").rglob("*") if path.suffix in (".csv", ".tsv")]
    assert len(tables) == 4
    for path in tables:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                assert [float(cell) for cell in row.values()]
