"""Chat templates, which are a stranger's programs: what they may read, how long they may run, what they may write."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from material.attack import attack

from domainlm.config.instruction import SftTokens
from domainlm.contract import StageError
from domainlm.tokens import template as subject
from domainlm.tokens.template import DEFAULT_DATE, TemplateRefuses, template_renderer

QUESTION = [{"role": "user", "content": "why?"}]


def rendered(template: Any, date: Any = DEFAULT_DATE) -> str:
    tokenizer = SimpleNamespace(chat_template=template, special_tokens_map={})
    with template_renderer(tokenizer, date) as render:
        return render(QUESTION, False)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "MAX_SECONDS", 0.3)


@attack(
    "base model",
    "clock in a template",
    "a chat template that prints today's date (strftime_now)",
    "it prints sft_tokens.template_date, which is in the key",
)
def test_the_clock_stands_still() -> None:
    assert rendered("{{ strftime_now('%d %b %Y %H:%M:%S.%f') }}") == "26 Jul 2024 00:00:00.000000"
    assert rendered("{{ strftime_now('%Y') }}", "2031-02-03") == "2031"


@attack(
    "base model",
    "clock in a template",
    "the same with sft_tokens.template_date: null",
    "an error that names the knob and a date",
)
def test_without_a_date_the_clock_is_refused() -> None:
    with pytest.raises(StageError, match=r"sft_tokens\.template_date is null"):
        rendered("{{ strftime_now('%Y') }}", SftTokens(template_date=None).template_date)


@attack(
    "base model",
    "time zone in a template",
    "a clock that is asked for seconds since 1970, which depend on the machine's time zone",
    "one text in every time zone",
)
def test_the_time_zone_does_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    found = set()
    try:
        for zone in ("UTC", "Asia/Shanghai"):
            monkeypatch.setenv("TZ", zone)
            time.tzset()
            found.add(rendered("{{ strftime_now('%s %Z') }}"))
    finally:
        monkeypatch.undo()
        time.tzset()
    assert len(found) == 1


@attack(
    "base model",
    "chance in a template",
    "the filter random, by name and through map; lipsum",
    "an error that names the source; nothing is drawn",
)
def test_nothing_is_drawn_by_chance() -> None:
    for template in ("{{ 'abc'|random }}", "{{ messages|map('random')|list }}", "{{ lipsum(n=1) }}"):
        with pytest.raises(StageError, match="differs from one run to the next"):
            rendered(template)


@attack(
    "base model",
    "addresses in a template",
    "printing an object, whose address differs from run to run",
    "an error that names the source",
)
def test_no_address_is_printed() -> None:
    upper = "{{ (messages[0].get ~ '')|upper }}"
    cut = "{{ (messages[0].get ~ '')[:-1] }}"
    for template in (
        "{{ joiner() }}",
        "{{ messages[0].get }}",
        "{{ range }}",
        "{{ messages|map('upper') }}",
        upper,
        cut,
    ):
        with pytest.raises(StageError, match="where an object lies in memory"):
            rendered(template)


@attack(
    "base model",
    "random order in a template",
    "the difference of two key views, whose order in Python depends on the hash seed",
    "an error that names the source; subtraction of numbers works as usual",
)
def test_no_set_is_made() -> None:
    keys = "{% set d = {'a': 1, 'b': 2, 'cc': 3} %}"
    for template in ("{{ (d.keys() - [])|join }}", "{% for k in d.items() - {}.items() %}{{ k }}{% endfor %}"):
        with pytest.raises(StageError, match=r"in any order.*sources\.<base_model>"):
            rendered(keys + template)
    assert rendered("{{ 5 - 3 }} {{ messages|length - 1 }} {{ 'a'|length - 2.5 }}") == "2 0 -1.5"


@attack(
    "base model",
    "half a character in a template",
    "a template that writes an escape of half a surrogate pair, which no tokenizer accepts",
    "the template counts as refusing the conversation, as if it had raised an error",
)
def test_no_half_character_is_written() -> None:
    with pytest.raises(TemplateRefuses, match="surrogates not allowed"):
        rendered("{{ '\\ud800' }}")


@attack(
    "base model",
    "template without end",
    "nested loops of 10^10 steps",
    "an error that names the source after 10 CPU seconds",
)
def test_a_loop_without_end_is_ended(short: None) -> None:
    began = time.monotonic()
    with pytest.raises(StageError, match=r"took more than 0\.3 CPU seconds"):
        rendered("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}")
    assert time.monotonic() - began < 10


@attack(
    "base model",
    "template without end",
    "one multiplication that takes all memory, at rendering or already at compiling",
    "an error that names the source; the build's process keeps its memory",
)
def test_memory_is_bounded(short: None) -> None:
    for template in ("{{ 'x' * 9999999999 }}", "{{ messages[0]['content'] * 999999999 }}"):
        with pytest.raises(StageError, match="the chat template took more than"):
            rendered(template)


@attack(
    "base model",
    "template without end",
    "a power that takes hours in one step of the interpreter",
    "an error that names the source after 10 CPU seconds",
)
def test_one_long_step_is_ended(short: None) -> None:
    with pytest.raises(StageError, match="CPU seconds"):
        rendered("{{ (10 ** (10 ** 9)) % 7 }}")


@attack(
    "base model",
    "template without end",
    "megabytes of output for one question",
    "an error that names the source and the limit",
)
def test_output_is_bounded() -> None:
    with pytest.raises(StageError, match=r"writes 9,999,999 characters"):
        rendered("{{ 'x' * 9999999 }}")


@attack(
    "base model",
    "recursion in a template",
    "a macro that calls itself; 5,000 brackets",
    "the conversation is refused with a reason; the build continues",
)
def test_recursion_is_refused_in_words() -> None:
    for template in ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "{{ " + "(" * 5000):
        with pytest.raises((TemplateRefuses, StageError), match=r"recursion|nested|ended its process"):
            rendered(template)


@attack(
    "base model",
    "files through a template",
    "include, import and extends of files",
    "there is no loader: the conversation is refused",
)
def test_no_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("secret", encoding="utf-8")
    for word in ("include", "import", "extends"):
        with pytest.raises(TemplateRefuses, match="loader"):
            rendered(f"{{% {word} '{tmp_path}/x' {'as y ' if word == 'import' else ''}%}}")


@attack(
    "base model",
    "sandbox escape",
    "classes and globals through attributes, format strings and filters",
    "jinja's sandbox refuses each; the environment's variables are not there",
)
def test_python_is_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTED", "planted-secret")
    for template in (
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ namespace.__init__.__globals__ }}",
        "{{ raise_exception.__globals__ }}",
        "{{ strftime_now.__globals__ }}{{ cycler.__init__.__globals__.os.environ }}",
        "{{ '{0.__class__}'.format(messages) }}",
        "{{ messages|map(attribute='__class__')|list }}",
        "{{ (messages|attr('__class__')).mro() }}",
    ):
        with suppress(TemplateRefuses, StageError):
            assert rendered(template) in ("", "[Undefined]")


@attack(
    "base model",
    "state between conversations",
    "changing the messages, or a list that lives on, while one is rendered",
    "the sandbox refuses it; the text of a conversation does not depend on its place in the order",
)
def test_no_conversation_changes_another() -> None:
    with pytest.raises(TemplateRefuses, match=r"unsafe|not safely callable|undefined"):
        rendered("{{ messages.append('x') }}")
    tokenizer = SimpleNamespace(
        chat_template="{% set n = namespace(i=0) %}{% set n.i = n.i + 1 %}{{ n.i }}", special_tokens_map={}
    )
    with template_renderer(tokenizer, None) as render:
        assert [render(QUESTION, False) for _ in range(3)] == ["1", "1", "1"]


@attack(
    "base model",
    "template that refuses",
    "a template that raises on every conversation, or needs a system turn",
    "the first is named by base_model with its source; the second works",
)
def test_a_template_that_refuses_is_named(make_base: Callable[..., Path], tmp_path: Path) -> None:
    from domainlm.config.sources import BaseModelConfig
    from domainlm.models.convert import convert

    base = make_base("llama")
    plain = (base / "chat_template.jinja").read_text(encoding="utf-8")
    needs = "{% if messages[0]['role'] != 'system' %}{{ raise_exception('system role needed') }}{% endif %}"
    for text in (needs + plain, "{{ raise_exception('never') }}"):
        (base / "chat_template.jinja").write_text(text, encoding="utf-8")
        if text.endswith(plain):
            assert convert(base, tmp_path, BaseModelConfig()).turn_end == "<|im_end|>"
        else:
            with pytest.raises(StageError, match=r"refuses a question and its answer: never.*sources\.<base_model>"):
                convert(base, tmp_path, BaseModelConfig())


@attack(
    "base model",
    "orphaned process",
    "a template that never ends while the build is ended",
    "the process that renders holds no lock and is ended with the call",
)
def test_no_process_is_left(short: None) -> None:
    with pytest.raises(StageError):
        rendered("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}")
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
