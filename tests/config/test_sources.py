from __future__ import annotations

from typing import Any

import pytest
from material.sources import FETCH, config


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"fetch": {"url": "file:///etc/passwd", "sha256": "0" * 64}}, "url must begin with http"),
        ({"fetch": {"url": "https://x", "package": "p", "version": "1", "sha256": "0" * 64}}, "either package and"),
        ({"fetch": {"package": "p", "sha256": "0" * 64}}, "either package and version, or url"),
        ({"fetch": FETCH, "copy": True}, "copy is for local texts"),
        ({"local": "x", "charset": "gbk2"}, "charset 'gbk2' is not known"),
        ({"local": "x", "charset": "rot13"}, "charset 'rot13' is not known"),
        *(
            ({"local": "x", "charset": name}, f"charset '{name}' writes letters as ASCII")
            for name in ("hz", "utf-7", "iso2022_jp", "iso-2022-kr", "punycode", "idna", "unicode_escape")
        ),
        ({"local": "x", "labels": [{"pattern": "*"}]}, "gives no label"),
        ({"local": "x", "labels": [{"pattern": "*", "stance": ""}]}, r"labels.0.stance\n.*the label is empty"),
        ({"local": "x", "licence": " \n"}, r"licence\n.*the label is empty"),
        ({"local": "x", "hub": {"repository": "o/n", "revision": "a" * 40}}, "exactly one of local, fetch, hub"),
    ],
)
def test_what_a_source_must_not_say(source: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        config(x={"role": "corpus", **source})


def test_the_character_sets_of_files_are_known() -> None:
    of_the_web = (
        "iso-8859-8-i",
        "windows-874",
        "dos-874",
        "x-sjis",
        "x-mac-cyrillic",
        "x-cp1251",
        "windows-949",
        "x-euc-jp",
    )
    known = ("gb18030", "GBK", "big5", "big5hkscs", "shift_jis", "euc-kr", "latin-1", "ascii", "utf-16", "koi8-r")
    for name in (*known, *of_the_web):
        assert config(x={"role": "corpus", "local": "x", "charset": name}).sources["x"].charset == name


@pytest.mark.parametrize(
    ("role", "given", "message"),
    [
        ("corpus", {"user": "q", "assistant": "a"}, "messages_from is for sources of role instruction"),
        ("instruction", {"user": "q"}, "messages_from names user; expected user and assistant"),
        ("instruction", {}, "messages_from names no field"),
        ("instruction", {"turns": "t", "user": "q", "assistant": "a"}, "names user and assistant and turns"),
        ("instruction", {"user": "q", "assistant": "a", "roles": {"x": "user"}}, "roles is for turns"),
        ("instruction", {"turns": "t", "roles": {"x": "boss"}}, "Input should be 'system', 'user', 'assistant'"),
    ],
)
def test_fields_of_conversations_that_say_nothing_are_refused(role: str, given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        config(x={"role": role, "local": "x", "messages_from": given})
