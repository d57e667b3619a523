from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from domainlm.config.chat_template import with_chat_template
from domainlm.config.domain import DomainConfig
from domainlm.config.errors import ConfigurationError
from domainlm.pipeline.slices import config_slice, files_of_knobs


def configured(**values: Any) -> DomainConfig:
    return DomainConfig.model_validate({"base_model": values})


def test_the_text_of_a_file_counts_and_not_its_name(tmp_path: Path) -> None:
    for name in ("one.jinja", "two.jinja"):
        (tmp_path / name).write_text("{{ messages }}", encoding="utf-8")
        found = with_chat_template(tmp_path, configured(chat_template=name))
        assert config_slice("base_model", found)["section"]["chat_template"] == "{{ messages }}"
        assert files_of_knobs("base_model", configured(chat_template=name)) == [name]


def test_a_plain_one_s_name_is_no_file(tmp_path: Path) -> None:
    for name in ("chatml", "plain", None):
        config = configured(chat_template=name)
        assert with_chat_template(tmp_path, config).base_model.chat_template == name
        assert files_of_knobs("base_model", config) == []


@pytest.mark.parametrize("data", [None, b"", b" \n", b"\xff\xfe\x00", b"x" * 1_000_001])
def test_a_file_that_is_no_template_is_named(data: bytes | None, tmp_path: Path) -> None:
    if data is not None:
        (tmp_path / "own.jinja").write_bytes(data)
    with pytest.raises(ConfigurationError, match=r"base_model\.chat_template: .*own\.jinja.*chatml, plain"):
        with_chat_template(tmp_path, configured(chat_template="own.jinja"))


def test_whether_there_is_a_system_turn_is_in_the_key_and_its_words_are_not() -> None:
    def found(prompt: str | None) -> Any:
        config = DomainConfig.model_validate({"sft_tokens": {"system_prompt": prompt}})
        return config_slice("base_model", config)

    assert found("Be brief.") == found("Be long.")
    assert (found("Be brief.")["has_system_turn"], found(None)["has_system_turn"]) == (True, False)
