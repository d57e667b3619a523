"""The generated reference: the files on disk are what `python docs/make_reference.py` writes, and the schema is usable."""

from __future__ import annotations

import json

import jsonschema
import pytest
from make_reference import (
    CONFIGURATION_PAGE,
    SCHEMA_FILE,
    allowed_range,
    configuration_schema,
    generated_files,
    summary_of,
    table,
    type_name,
)

from domainlm.config.domain import DomainConfig
from domainlm.config.resolve import read_layer
from domainlm.pipeline.table import PACKAGE_ROOT, STAGES

LAYERS = ["config/config.yaml", *(f"config/domains/{p.name}" for p in PACKAGE_ROOT.glob("config/domains/*.yaml"))]


def test_files_on_disk_are_what_is_generated() -> None:
    stale = [
        name
        for name, text in generated_files().items()
        if not (PACKAGE_ROOT / name).exists() or (PACKAGE_ROOT / name).read_text(encoding="utf-8") != text
    ]
    assert not stale, f"{stale} are out of date; run: make docs"


def test_every_knob_is_on_the_page() -> None:
    page = (PACKAGE_ROOT / CONFIGURATION_PAGE).read_text(encoding="utf-8")
    by_title = {section.split("\n")[0]: section for section in page.split("\n## ")[1:]}
    for stage in STAGES:
        for key in type(getattr(DomainConfig(), stage.name)).model_fields:
            assert f"| `{key}` |" in by_title[stage.name]


@pytest.mark.parametrize("name", LAYERS)
def test_configuration_files_fit_the_schema(name: str) -> None:
    jsonschema.validate(read_layer(PACKAGE_ROOT, name).values, configuration_schema())


@pytest.mark.parametrize(
    "values",
    [
        {"pt_adaptor": {}},
        {"pt_adapter": {"learning_rate": "fast"}},
        {"corpus_split": {"replay_share": 0.95}},
        {"sources": {"mine": {"role": "corpora"}}},
    ],
)
def test_schema_refuses(values: dict[str, object]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(values, configuration_schema())


def test_schema_describes_one_layer() -> None:
    schema = configuration_schema()
    jsonschema.validate({"sources": {"old": None, "wikipedia": {"fetch": {"version": "4.4.0"}}}}, schema)
    assert json.loads((PACKAGE_ROOT / SCHEMA_FILE).read_text(encoding="utf-8")) == schema


def test_domain_files_name_the_schema_for_editors() -> None:
    for path in PACKAGE_ROOT.glob("config/domains/*.yaml"):
        assert path.read_text(encoding="utf-8").startswith("# yaml-language-server: $schema=../schema.json\n")


def test_a_field_in_words() -> None:
    field = {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}], "default": None, "description": "a | b"}
    assert (type_name(field), allowed_range(field)) == ("integer or null", "≥ 1")
    assert type_name({"type": "array", "items": {"type": "string"}}) == "list of string"
    assert allowed_range({"type": "number", "minimum": 0.0, "maximum": 0.9}) == "0 to 0.9"
    assert allowed_range({"type": "number", "exclusiveMinimum": 0}) == "> 0"
    assert table({"key": field}, set()).splitlines()[-1] == "| `key` | integer or null | `null` | ≥ 1 | a \\| b |"
    assert "| required |" in table({"key": field}, {"key"})


def test_summary_leaves_the_artifact_name_out() -> None:
    for stage in STAGES:
        assert stage.name not in summary_of(stage.name).split(" ")[0]
