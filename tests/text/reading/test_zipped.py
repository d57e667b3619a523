from __future__ import annotations

import pytest
from material.packers import zipped

from domainlm.raw.unreadable import Unreadable
from domainlm.text.reading.zipped import parts_of


def reason_of(data: bytes, name: str = "a.xml") -> str:
    with pytest.raises(Unreadable) as caught:
        parts_of(data, "docx").xml(name)
    return caught.value.reason


def test_parts_by_name_whatever_its_case() -> None:
    parts = parts_of(zipped({"Word/A.xml": b"<a b='c'/>"}), "docx")
    assert parts.has("word/a.XML")
    assert parts.xml("word/a.xml").attrib == {"b": "c"}


def test_a_document_type_is_no_fault() -> None:
    data = b'<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.1//EN" "http://nowhere.invalid/x.dtd"><a>b</a>'
    assert parts_of(zipped({"a.xml": data}), "epub").xml("a.xml").text == "b"


def test_bombs_are_refused_before_they_unpack() -> None:
    assert reason_of(zipped({"a.xml": b" " * 20_000_000})) == "too_large"


@pytest.mark.parametrize("charset", ["utf-8", "utf-16"])
def test_entities_are_refused(charset: str) -> None:
    text = f'<?xml version="1.0" encoding="{charset}"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'
    assert reason_of(zipped({"a.xml": text.encode(charset)})) == "malformed"


def test_a_locked_part_is_encrypted() -> None:
    data = bytearray(zipped({"a.xml": b"<a/>"}))
    # the flag that says "encrypted", in the directory at the end
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    assert reason_of(bytes(data)) == "encrypted"


def test_a_part_that_was_damaged_is_malformed() -> None:
    data = bytearray(zipped({"a.xml": b"<a>some text that is long enough</a>"}))
    data[45] ^= 0xFF
    assert reason_of(bytes(data)) == "malformed"


@pytest.mark.parametrize("part", [b"<a>", b"", b"<?xml version='1.0' encoding='no-such-set'?><a/>", b"\xff\xfe"])
def test_what_is_no_xml_is_malformed(part: bytes) -> None:
    assert reason_of(zipped({"a.xml": part})) == "malformed"
