from __future__ import annotations

import time

import pytest

from domainlm.text.reading.html import read_html
from domainlm.text.reading.html_xhtml import as_html, is_xhtml

XHTML = '<html xmlns="http://www.w3.org/1999/xhtml">'
TEXT = "The first chapter tells how the chapel was moved to the hill."


@pytest.mark.parametrize(
    "start",
    [
        '<?xml version="1.0"?>\n<html>',
        '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd"><html>',
        XHTML,
        "<html lang=\"en\" xmlns = 'http://www.w3.org/1999/xhtml'>",
    ],
)
@pytest.mark.parametrize(
    "empty",
    [
        "<title/>",
        '<script src="a/b.js" />',
        "<style/>",
        "<textarea/>",
        "<iframe src='x'/>",
        "<noscript/>",
        "<a id='p'/>",
    ],
)
def test_empty_elements_are_closed(start: str, empty: str) -> None:
    for source in (
        f"{start}<head>{empty}</head><body><h1>Hill</h1><p>{TEXT}</p></body></html>",
        f"{start}<head></head><body><h1>Hill</h1>{empty}<p>{TEXT}</p></body></html>",
    ):
        assert [(section.title, section.body) for section in read_html(source)] == [("Hill", TEXT)]


def test_other_pages_stay_as_they_are() -> None:
    source = "<!doctype html><html><body><div/>x</body></html>"
    assert not is_xhtml(source)
    assert read_html(source)[0].body == "x"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("<br/><img alt='a>b' src='x'/>", "<br/><img alt='a>b' src='x'/>"),
        ("<a title='a/>b'/>", "<a title='a/>b'></a>"),
        ("<!-- <p/> --><p/>", "<!-- <p/> --><p></p>"),
        ("<script>a<b/>c</script><b/>", "<script>a<b/>c</script><b></b>"),
        ("<![CDATA[1 < 2 <b/>]]>", "1 &lt; 2 &lt;b/&gt;"),
        ("<a href=/x/>", "<a href=/x/>"),
        ("<m:mi/><p", "<m:mi></m:mi><p"),
        ("<p/><![CDATA[x", "<p></p>x"),
    ],
)
def test_what_is_written_as_html(source: str, expected: str) -> None:
    assert as_html(source) == expected


def test_the_document_type_s_own_subset_is_no_text() -> None:
    source = f'<!DOCTYPE html [<!ENTITY a "b">]>{XHTML}<body><p>{TEXT}</p></body></html>'
    assert read_html(source)[0].body == TEXT


def test_prefixes() -> None:
    math = (
        '<m:math xmlns:m="http://www.w3.org/1998/Math/MathML"><m:mfrac><m:mn>1</m:mn><m:mn>2</m:mn></m:mfrac></m:math>'
    )
    assert read_html(f"{XHTML}<body><p>Half is {math}.</p></body></html>")[0].body == "Half is 1/2."


@pytest.mark.parametrize("part", ["<!--", "<p", "<p a='", '<script "', "<![CDATA[", "<p/", "<"])
def test_no_source_takes_long(part: str) -> None:
    started = time.process_time()
    as_html(part * (400_000 // len(part)) + "/>")
    assert time.process_time() - started < 2
