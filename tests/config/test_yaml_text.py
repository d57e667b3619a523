from __future__ import annotations

import math
import time

import pytest

from domainlm.config.yaml_text import MAX_CHARS, InvalidYaml, parsed_yaml

# what YAML 1.2's core schema says; the words in comments are what YAML 1.1 reads
CORE = [
    ("017", 17),  # 15
    ("0o17", 15),  # text
    ("0x1F", 31),
    ("-7", -7),
    ("+7", 7),
    ("1:30", "1:30"),  # 90
    ("1_000", "1_000"),  # 1000
    ("0b11", "0b11"),  # 3
    ("-0x1F", "-0x1F"),  # -31
    ("no", "no"),  # false
    ("Yes", "Yes"),
    ("on", "on"),
    ("off", "off"),
    ("n", "n"),
    ("true", True),
    ("FALSE", False),
    ("tRue", "tRue"),
    ("~", None),
    ("null", None),
    ("NULL", None),
    ("", None),
    ("2024-01-01", "2024-01-01"),  # a date
    ("=", "="),
    ("1e-3", 0.001),  # text
    ("1E-3", 0.001),
    ("+1.0e-3", 0.001),
    ("0.001", 0.001),
    (".5", 0.5),
    ("5.", 5.0),
    ("685.230_15e+03", "685.230_15e+03"),
    (".", "."),
    ("e3", "e3"),
    (".inf", math.inf),
    ("-.INF", -math.inf),
    ("+.Inf", math.inf),
    ("-.nan", "-.nan"),
    ("1.2.3", "1.2.3"),
    ("\u0661", "\u0661"),
    ("'017'", "017"),
    ('"no"', "no"),
    ("!!str 017", "017"),
    ("! 017", "017"),
    ("[a, {b: 1}]", ["a", {"b": 1}]),
]


@pytest.mark.parametrize(("text", "expected"), CORE, ids=[text or "nothing" for text, _ in CORE])
def test_values_are_those_of_the_core_schema(text: str, expected: object) -> None:
    found = parsed_yaml(f"a: {text}")["a"]
    assert (found, type(found)) == (expected, type(expected))


def test_nan_is_no_number_that_equals_itself() -> None:
    assert math.isnan(parsed_yaml("[.NaN]")[0])


def test_keys_are_text_as_well() -> None:
    assert parsed_yaml("no: 1\non: 2\n'017': 3\n") == {"no": 1, "on": 2, "017": 3}


def test_anchors_and_aliases_in_moderate_use_work() -> None:
    assert parsed_yaml("a: &x {k: [1, 2]}\nb: *x\nc: [*x, *x]\n")["c"] == [{"k": [1, 2]}] * 2


def test_a_byte_order_mark_comments_and_nothing_are_read() -> None:
    assert parsed_yaml("\ufeffa: 1  # one\n") == {"a": 1}
    assert parsed_yaml("# nothing\n") is None
    assert parsed_yaml("%YAML 1.2\n---\na: 1\n...\n") == {"a": 1}


REFUSED = [
    ("a: 1\nb:\n  c: 1\n  c: 2\n", "line 4, column 3: key 'c' occurs twice"),
    ("a: &x {k: 1}\nb: {<<: *x}\n", "line 2, column 5: merge key <<"),
    (
        "a: !!python/object/apply:os.system [id]",
        "line 1, column 4: tag tag:yaml.org,2002:python/object/apply:os.system",
    ),
    ("a: !!binary aGk=", "line 1, column 4: tag"),
    ("a: !!set {x}", "line 1, column 4: tag"),
    ("a: !!int x", "line 1, column 4: tag"),
    ("a: !mine {}", "line 1, column 4: tag !mine"),
    ("1: a", "line 1, column 1: a key that is a int 1"),
    ("true: a", "line 1, column 1: a key that is a bool True"),
    ("? [a]\n: b", "line 1, column 3: a key that is a list or mapping"),
    ("a: 1\n---\nb: 1\n", "line 2, column 1: a second document"),
    ("%YAML 1.1\n---\na: 1\n", "line 1, column 1: a directive asks for another version"),
    ("a: *nowhere", "line 1, column 4: alias *nowhere names no anchor before it"),
    ("a: &a [*a]", "line 1, column 8: alias *a lies within what it names"),
    ("a: 1\n\tb: 2", "line 2, column 1: not valid YAML"),
    ("a: 1\nb: \0", "line 2, column 4: character U+0000"),
    ("a: b\x1b[31m", "line 1, column 5: character U+001B"),
    ("a: b\u2028c", "line 1, column 5: character U+2028"),
    ("a: \ud800", "line 1, column 4: character U+D800"),
    ("a: [1", "line 1, column 6: not valid YAML"),
    ("a: " + "9" * 5000, "line 1, column 4: a number of 5000 characters"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_is_no_part_of_it_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(InvalidYaml) as caught:
        parsed_yaml(text)
    assert str(caught.value).startswith(message)


NESTED = "a0: &a0 [x, x, x, x]\n" + "".join(f"a{n}: &a{n} [{f'*a{n - 1}, ' * 9}]\n" for n in range(1, 12))
BOMBS = [
    (NESTED, "aliases written out"),
    ("a: &a " + "x" * 500_000 + "\nb: [" + "*a, " * 1000 + "]", "aliases written out"),
    ("a: " + "[" * 100_000, "nested deeper"),
    ("a: " + "[" * 5000 + "]" * 5000, "nested deeper"),
    ("- " * 100_000, "nested deeper"),
    ("\n".join(" " * depth + "a:" for depth in range(1000)), "nested deeper"),
    ("x" * 500_000 + ": 1", "not valid YAML"),
    ('? "' + "x" * 500_000 + '"\n: 1', "a key of 500000 characters"),
    ("x" * (MAX_CHARS + 1), "more than 1000000 characters"),
    ("{" * 500_000, "a key that is a list or mapping"),
    ("&" * 500_000, "not valid YAML"),
    ('"' + "x" * 500_000, "not valid YAML"),
]


@pytest.mark.parametrize(("text", "message"), BOMBS, ids=[text[:12] for text, _ in BOMBS])
def test_a_bomb_is_refused_at_once(text: str, message: str) -> None:
    began = time.process_time()
    with pytest.raises(InvalidYaml) as caught:
        parsed_yaml(text)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 500
    assert time.process_time() - began < 5
