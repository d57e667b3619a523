from __future__ import annotations

import pytest

from domainlm.store.canonical_code import module_definitions, module_digest


def test_lone_surrogates_in_constants_have_a_digest() -> None:
    assert module_digest(b'X = "[\\ud800-\\udfff]"') != module_digest(b'X = "[\\ud800-\\udffe]"')


def test_constants_of_different_kinds_differ() -> None:
    values = ["1", "1.0", "True", "'1'", "b'1'", "None", "...", "1j", "''", "()"]
    assert len({module_digest(f"X = {value}".encode()) for value in values}) == len(values)


MODULE = '''\
"""Docstring."""

import re

LIMIT = 3
NAMES: list[str] = []
if LIMIT:
    import os


class Tidy:
    """Docstring."""

    width = 2

    def run(self):
        return self.width


def tidy(text):
    return text
'''


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("return text", "return text.strip()", {"tidy"}),
        ("LIMIT = 3", "LIMIT = 4", {"LIMIT"}),
        ("NAMES: list[str] = []", 'NAMES: list[str] = ["a"]', {"NAMES"}),
        ("return self.width", "return self.width + 1", {"Tidy.run"}),
        ("width = 2", "width = 3", {"Tidy"}),
        ("class Tidy:", "class Tidy(dict):", {"Tidy"}),
        ("import re", "import re, sys", {"<module>"}),
        ("    import os", "    import os.path", {"<module>"}),
        ("def tidy(text):", "def clean(text):", {"tidy", "clean", "<order>"}),
        ('"""Docstring."""', "# no docstring", set()),
        ("LIMIT = 3\n", "LIMIT = 3\n\n\n", set()),
    ],
)
def test_the_definition_that_changed_is_named(old: str, new: str, changed: set[str]) -> None:
    assert old in MODULE
    before, after = module_definitions(MODULE.encode()), module_definitions(MODULE.replace(old, new).encode())
    assert {name for name in before | after if before.get(name) != after.get(name)} == changed


def test_another_order_of_definitions_is_a_change_of_its_own() -> None:
    before, after = module_definitions(b"A = 1\nB = 2\n"), module_definitions(b"B = 2\nA = 1\n")
    assert {name for name in before if before[name] != after[name]} == {"<order>"}


def test_definitions_of_one_name_count_together() -> None:
    both = b"def f():\n    return 1\ndef f():\n    return %d\n"
    assert module_definitions(both % 2)["f"] != module_definitions(both % 3)["f"]
