from __future__ import annotations

import bz2
import io

import pytest

from domainlm.text.reading import mediawiki
from domainlm.text.reading.mediawiki import read_mediawiki
from domainlm.text.reading.pieces import Piece, Rejection


def page(title: str, markup: str, namespace: int = 0, redirect: str = "") -> str:
    return (
        f"<page><title>{title}</title><ns>{namespace}</ns><id>{len(title)}</id>{redirect}<revision><id>99</id>"
        f"<text>{markup}</text></revision></page>\n"
    )


DUMP = (
    '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.10/">\n'
    + page("Old", "#REDIRECT [[Lung]]", redirect='<redirect title="Lung"/>')
    + page("Lung &amp; air", "The '''lung''' breathes.\n\n== Form ==\nTwo of them.")
    + page("Talk:Lung", "chat", 1)
    + page("肺", "肺是[[呼吸系统|呼吸]]器官。")
    + page("Blank", "{{stub}}")
    + "</mediawiki>"
).encode()


def split(data: bytes) -> tuple[list[Piece], list[Rejection]]:
    found = list(read_mediawiki(io.BytesIO(data), 10_000))
    return [f for f in found if isinstance(f, Piece)], [f for f in found if isinstance(f, Rejection)]


def test_articles_of_a_dump_plain_and_packed() -> None:
    pieces, rejections = split(DUMP)
    assert [(p.title, p.section, p.group) for p in pieces] == [("Lung & air",) * 3, ("肺",) * 3]
    assert pieces[0].text == "Lung & air\n\nThe lung breathes.\n\nForm\n\nTwo of them."
    assert pieces[1].text == "肺\n\n肺是呼吸器官。"
    assert [(r.reason, r.detail) for r in rejections] == [
        ("redirect", "Old"),
        ("not_an_article", "Talk:Lung"),
        ("no_text", "Blank"),
    ]
    assert DUMP[pieces[1].start : pieces[1].end].decode().startswith("<page><title>肺")
    assert DUMP[: pieces[1].end].endswith(b"</page>")
    assert split(bz2.compress(DUMP)) == (pieces, rejections)


def test_a_truncated_dump_gives_what_came_before() -> None:
    whole = split(DUMP)[0]
    pieces, rejections = split(DUMP[: DUMP.index("肺".encode())])
    assert pieces == whole[:1]
    assert rejections[-1].reason == "malformed_xml"
    packed = bz2.compress(b" " * 3_000_000 + DUMP)
    assert split(packed[:-20])[1][-1].reason == "truncated"


def test_a_damaged_dump_is_a_rejection() -> None:
    packed = bytearray(bz2.compress(DUMP))
    packed[40] ^= 255
    assert split(bytes(packed))[1][-1].reason == "damaged"
    assert split(b"<mediawiki><page></mediawiki>")[1][-1].reason == "malformed_xml"
    assert split(b"no xml")[1][-1].reason == "malformed_xml"


def test_long_articles_are_cut_and_share_their_group() -> None:
    markup = "A paragraph of text.\n\n" * 100
    data = f"<mediawiki>{page('Long', markup)}</mediawiki>".encode()
    pieces = [p for p in read_mediawiki(io.BytesIO(data), 500) if isinstance(p, Piece)]
    assert len(pieces) > 3
    assert {p.group for p in pieces} == {"Long"}
    assert len({p.part for p in pieces}) == len(pieces)
    assert all(len(p.text) <= 500 and p.text.startswith("Long\n\nA paragraph") for p in pieces)


def test_a_page_without_end_costs_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mediawiki, "MAX_PAGE_CHARS", 1000)
    data = f"<mediawiki>{page('Long', 'word ' * 300)}{page('肺', '肺是器官。')}</mediawiki>".encode()
    pieces, rejections = split(data)
    assert [p.title for p in pieces] == ["肺"]
    assert [(r.reason, r.detail) for r in rejections] == [("too_large", "Long: a page of more than 1000 characters")]


def test_a_mark_without_end_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(io.BytesIO):
        given = 0

        def read(self, size: int | None = -1) -> bytes:
            data = super().read(size) or b"x" * 65536
            self.given += len(data)
            assert self.given < 3_000_000
            return data

    monkeypatch.setattr(mediawiki, "MAX_MARK_BYTES", 1_000_000)
    found = list(read_mediawiki(Endless(b"<mediawiki><page><"), 10_000))
    assert [each.reason for each in found if isinstance(each, Rejection)] == ["malformed_xml"]
