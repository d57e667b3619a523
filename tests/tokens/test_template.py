from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from domainlm.config.instruction import SftTokens
from domainlm.config.resolve import load_yaml
from domainlm.contract import StageError
from domainlm.tokens import template as subject
from domainlm.tokens.template import DEFAULT_DATE, Render, TemplateRefuses, template_renderer

QUESTION = [{"role": "user", "content": "why?"}]
LLAMA_3_2 = (
    "{%- if not date_string is defined %}{%- if strftime_now is defined %}"
    '{%- set date_string = strftime_now("%d %b %Y") %}{%- else %}{%- set date_string = "26 Jul 2024" %}'
    "{%- endif %}{%- endif %}Today Date: {{ date_string }}"
)


@contextmanager
def renderer(template: Any, date: str | None = DEFAULT_DATE) -> Iterator[Render]:
    tokenizer = SimpleNamespace(chat_template=template, special_tokens_map={"eos_token": "<E>"})
    with template_renderer(tokenizer, date) as render:
        yield render


def rendered(template: Any, date: str | None = DEFAULT_DATE) -> str:
    with renderer(template, date) as render:
        return render(QUESTION, False)


def test_the_clock_of_a_template_stands_at_the_configured_date() -> None:
    assert rendered(LLAMA_3_2) == "Today Date: 26 Jul 2024"
    assert rendered(LLAMA_3_2, "2031-02-03") == "Today Date: 03 Feb 2031"
    assert rendered("{{ strftime_now('%H:%M:%S.%f') }}") == "00:00:00.000000"


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai"])
def test_neither_time_zone_nor_language_of_the_machine_shows(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert rendered("{{ strftime_now('%s %A') }}") == "1721952000 Friday"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_without_a_date_a_template_that_asks_is_refused_and_another_is_not() -> None:
    with pytest.raises(StageError, match=r"sft_tokens\.template_date is null.*2024-07-26"):
        rendered(LLAMA_3_2, None)
    assert rendered("{{ messages[0]['content'] }}", None) == "why?"


def test_it_renders_as_transformers_does(make_base: Callable[..., Path]) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(make_base("llama"))
    turns = [{"role": "system", "content": "be 'brief' <&>"}, *QUESTION, {"role": "assistant", "content": "因为\n"}]
    with template_renderer(tokenizer, None) as render:
        for has_prompt in (False, True):
            expected = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=has_prompt)
            assert render(turns, has_prompt) == expected


def test_what_a_template_raises_is_of_the_conversation() -> None:
    with pytest.raises(TemplateRefuses, match=r"^system role needed$"):
        rendered("{{ raise_exception('system role needed') }}")
    with renderer("{% if messages|length > 1 %}{{ 1 // 0 }}{% endif %}x") as render:
        with pytest.raises(TemplateRefuses, match="division"):
            render(QUESTION * 2, False)
        assert render(QUESTION, False) == "x"


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{ messages|random }}", "the filter random"),
        ("{{ messages|map('random')|list }}", "the filter random"),
        ("{{ lipsum() }}", "lipsum"),
        ("{{ joiner() }}", "where an object lies in memory"),
        ("{{ messages[0].items }}", "where an object lies in memory"),
    ],
)
def test_what_differs_between_runs_is_refused(template: str, words: str) -> None:
    with pytest.raises(StageError, match=rf"{words}.*sources\.<base_model>"):
        rendered(template)


@pytest.mark.parametrize(
    "template",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{{ 'x' * 9999999 * 99999999 }}",
        "{% set n = namespace(s='x') %}{% for a in range(99) %}{% set n.s = n.s + n.s %}{% endfor %}{{ n.s }}",
        "{{ 10 ** (10 ** 9) }}",
        "{{ 'x' * 9999999 }}",
    ],
)
def test_a_template_without_end_is_named(template: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "MAX_SECONDS", 0.5)
    with pytest.raises(StageError, match=r"the chat template .*sources\.<base_model>"):
        rendered(template)


@pytest.mark.parametrize(
    "template",
    [
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% include '/etc/passwd' %}",
        "{% import 'x' as y %}",
        "{{ ''.__class__.__mro__ }}",
        "{{ namespace.__init__.__globals__ }}",
        "{{ range(10 ** 9) }}",
        "{% for %}",
        "{{ " + "(" * 5000,
        "{{ '%99999999999d' % 1 }}",
    ],
)
def test_what_the_sandbox_refuses_is_refused_in_words(template: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises((TemplateRefuses, StageError)):
        rendered(template)


def test_no_environment_can_be_reached() -> None:
    assert rendered("{{ environ is defined }}{{ os is defined }}{{ self.environment is defined }}") == "FalseFalseFalse"


@pytest.mark.parametrize("template", [5, {"tool_use": "x"}, {"default": 5}, ["x"]])
def test_what_is_no_template_is_named(template: Any) -> None:
    with pytest.raises(StageError, match=r"sources\.<base_model>"):
        rendered(template)


def test_of_named_templates_the_default_one_is_taken() -> None:
    assert rendered({"tool_use": "x", "default": "y"}) == "y"
    assert json.loads(rendered("{{ messages|tojson }}")) == QUESTION


@pytest.mark.parametrize("date", ["2024-7-26", "26 Jul 2024", "2024-02-30", "20240726", "today", ""])
def test_a_date_that_is_none_is_refused_by_its_knob(date: str) -> None:
    with pytest.raises(ValueError, match="template_date"):
        SftTokens(template_date=date)


def test_a_date_may_stand_without_quotes() -> None:
    written = load_yaml("template_date: 2031-02-03", "x")
    assert SftTokens.model_validate(written).template_date == "2031-02-03"
