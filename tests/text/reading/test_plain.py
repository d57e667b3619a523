from __future__ import annotations

from domainlm.text.reading.plain import read_plain


def test_a_first_line_alone_is_the_title() -> None:
    section = read_plain("The Lung\r\n\r\nIt breathes.\r\nAlways.\r\n")[0]
    assert (section.title, section.path, section.body.strip()) == ("The Lung", ("The Lung",), "It breathes.\nAlways.")


def test_a_sentence_or_a_wrapped_line_is_no_title() -> None:
    for text in ("It breathes.\n\nAlways.", "A line that\ngoes on", "Only one line", "肺炎很常见。\n\n第二段"):
        section = read_plain(text)[0]
        assert (section.title, section.body, section.end) == ("", text, len(text))
