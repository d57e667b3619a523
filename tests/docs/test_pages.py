"""The documentation: links resolve, commands and paths exist, and the tutorial's script is the one in docs/examples."""

from __future__ import annotations

import ast
import json
import os
import re
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from domainlm.config.cleaning import CleanShards
from domainlm.config.domain import DomainConfig
from domainlm.config.resolve import load_yaml
from domainlm.pipeline.table import BY_NAME, PACKAGE_ROOT

SKIPPED = {".venv", ".git", ".snakemake", ".domainlm", ".dvc", "artifacts", "data", "logs"}
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
MAX_SCRIPT_LINES = 10
TARGETS = {*BY_NAME, "all"}


def pages() -> list[Path]:
    found = []
    for folder, folders, files in os.walk(PACKAGE_ROOT):
        folders[:] = [name for name in folders if name not in SKIPPED and not name.startswith(".")]
        found += [Path(folder) / name for name in files if name.endswith(".md")]
    return sorted(found)


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE_ROOT).as_posix()


def without_code(text: str) -> str:
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


def anchors(text: str) -> set[str]:
    """Anchors of a page's headings, as git hosts make them."""
    headings = re.findall(r"^#+ (.+)$", without_code(text), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def blocks(page: str, language: str) -> list[str]:
    text = (PACKAGE_ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_relative_links_resolve(page: Path) -> None:
    for link in LINK.findall(without_code(page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), f"{name_of(page)} links to {link}, which does not exist"
        assert not anchor or anchor in anchors(path.read_text(encoding="utf-8")), f"{link}: no such heading"


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_commands_name_artifacts_and_files_that_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"snakemake --cores all ([a-z_]+)", text):
        assert target in TARGETS, f"snakemake target {target}"
    for module in re.findall(r"python -m (domainlm(?:\.\w+)+)", text):
        assert (PACKAGE_ROOT / f"{module.replace('.', '/')}.py").is_file(), module
    for script in re.findall(r"python (?:-i )?((?:benchmarks|docs|envs|tests)/\S+?\.py)", text):
        assert (PACKAGE_ROOT / script).is_file(), script
    makefile = (PACKAGE_ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^(?:time )?make ([a-z_]+)", "\n".join(blocks(name_of(page), "bash")), re.MULTILINE):
        assert re.search(rf"^(?:[a-z_. ]+ )?{target}(?: [a-z_. ]+)?:", makefile, re.MULTILINE), f"make {target}"


def test_every_page_below_docs_is_reachable_from_the_index() -> None:
    index = (PACKAGE_ROOT / "docs/index.md").read_text(encoding="utf-8")
    linked = {link.split("#")[0] for link in LINK.findall(index)}
    for page in (PACKAGE_ROOT / "docs").rglob("*.md"):
        name = page.relative_to(PACKAGE_ROOT / "docs").as_posix()
        assert name == "index.md" or name in linked, f"docs/index.md does not link to {name}"


def test_tutorial_script_is_the_example_and_short() -> None:
    scripts = [block for block in blocks("docs/tutorial.md", "python") if "PeftModel" in block]
    assert scripts == [(PACKAGE_ROOT / "docs/examples/answer.py").read_text(encoding="utf-8")]
    tree = ast.parse(scripts[0])
    lines = [line for line in scripts[0].splitlines() if line.strip() and not line.strip().startswith("#")]
    assert len(lines) <= MAX_SCRIPT_LINES
    assert any(isinstance(node, ast.FunctionDef) and node.name == "answer" for node in tree.body)


def test_tutorial_script_uses_the_configured_system_prompt() -> None:
    script = (PACKAGE_ROOT / "docs/examples/answer.py").read_text(encoding="utf-8")
    config = yaml.safe_load((PACKAGE_ROOT / "config/config.yaml").read_text(encoding="utf-8"))
    assert config["sft_tokens"]["system_prompt"] in script


@pytest.mark.parametrize("domain", ["medical_without_pt", "sklearn_docs"])
def test_tutorial_shows_the_domain_files(domain: str) -> None:
    file = PACKAGE_ROOT / f"config/domains/{domain}.yaml"
    shown = [yaml.safe_load(block) for block in blocks("docs/tutorial.md", "yaml")]
    assert yaml.safe_load(file.read_text(encoding="utf-8")) in shown


def test_what_pages_show_of_a_configuration_is_valid() -> None:
    shown = {page: [load_yaml(block, page) for block in blocks(page, "yaml")] for page in map(name_of, pages())}
    keys = DomainConfig.model_fields.keys()
    layers = [(page, layer) for page, found in shown.items() for layer in found if layer and layer.keys() & keys]
    assert {page for page, _ in layers} >= {f"docs/how-to/{name}.md" for name in ("cleaning", "policy", "relevance")}
    for page, layer in layers:
        # null takes an inherited source out
        sources = {name: source for name, source in layer.get("sources", {}).items() if source is not None}
        try:
            DomainConfig.model_validate({**layer, "sources": sources})
        except ValidationError as error:
            pytest.fail(f"{page}: {error}")


def test_the_page_about_cleaning_names_every_knob_with_its_default() -> None:
    text = (PACKAGE_ROOT / "docs/how-to/cleaning.md").read_text(encoding="utf-8")
    defaults = CleanShards().model_dump(mode="json")
    kinds = defaults.pop("personal_data")
    assert set(kinds.values()) == {"keep"}
    for shown in ("personal_data", *kinds, *(f"{name}: {json.dumps(value)}" for name, value in defaults.items())):
        assert f"`{shown}`" in text, f"docs/how-to/cleaning.md lacks {shown}"


def test_own_domain_takes_ten_lines() -> None:
    text = (PACKAGE_ROOT / "config/domains/sklearn_docs.yaml").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MAX_SCRIPT_LINES
