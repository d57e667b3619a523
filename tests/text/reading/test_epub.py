from __future__ import annotations

import io
import zipfile

import pytest

from domainlm.raw.unreadable import Unreadable
from domainlm.text.reading.epub import read_epub
from domainlm.text.reading.pieces import Coverage, Rejection, Section

CONTAINER = '<container><rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
PACKAGE = """<package xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata><dc:title>肺炎 手册</dc:title></metadata>
<manifest>
<item id="n" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
<item id="b" href="text/two%20b.xhtml" media-type="application/xhtml+xml"/>
<item id="a" href="text/one.xhtml" media-type="application/xhtml+xml"/>
<item id="p" href="cover.png" media-type="image/png"/>
</manifest><spine><itemref idref="n"/><itemref idref="p"/><itemref idref="a"/><itemref idref="b"/></spine></package>"""
PAGE = "<html><head><title>t</title></head><body><h1>{}</h1><p>{}</p></body></html>"
FIRST = "Pneumonia is an inflammation of the lung that mostly affects the small air sacs known as alveoli."
SECOND = "肺炎是由病原微生物等因素引起的肺部炎症，患者常有发热、咳嗽、咳痰等症状，严重者呼吸困难。"


def epub(**changes: str | None) -> bytes:
    parts: dict[str, str | None] = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": CONTAINER,
        "OEBPS/book.opf": PACKAGE,
        "OEBPS/nav.xhtml": PAGE.format("Contents", "One, two"),
        "OEBPS/text/one.xhtml": PAGE.format("One", FIRST),
        "OEBPS/text/two b.xhtml": PAGE.format("二", SECOND),
        **changes,
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in parts.items():
            if text is not None:
                archive.writestr(name, text)
    return file.getvalue()


def sections(data: bytes) -> list[Section]:
    found = read_epub(data)
    assert not [each for each in found if isinstance(each, Rejection)]
    return [each for each in found if isinstance(each, Section)]


def test_chapters_in_reading_order_below_the_book_s_title() -> None:
    assert [(s.path, s.title, s.body, s.end) for s in sections(epub())] == [
        (("肺炎 手册", "One"), "One", FIRST, -1),
        (("肺炎 手册", "二"), "二", SECOND, -1),
    ]


def test_locked_fonts_are_no_locked_book() -> None:
    reference = '<encryption><EncryptedData><CipherReference URI="{}"/></EncryptedData></encryption>'
    fonts = epub(**{"META-INF/encryption.xml": reference.format("OEBPS/font.otf")})
    assert len(sections(fonts)) == 2
    chapters = epub(**{"META-INF/encryption.xml": reference.format("OEBPS/text/two%20b.xhtml")})
    with pytest.raises(Unreadable) as caught:
        read_epub(chapters)
    assert caught.value.reason == "encrypted"


def test_chapters_that_are_there_are_read_and_the_others_listed() -> None:
    missing = read_epub(epub(**{"OEBPS/text/one.xhtml": None}))
    assert [(each.reason, each.detail) for each in missing if isinstance(each, Rejection)] == [
        ("missing_part", "chapter 'OEBPS/text/one.xhtml' is listed but not in the file; the other chapters are read")
    ]
    assert [each.title for each in missing if isinstance(each, Section)] == ["二"]
    unknown = read_epub(epub(**{"OEBPS/book.opf": PACKAGE.replace('idref="a"', 'idref="z"')}))
    assert [each.reason if isinstance(each, Rejection) else each.title for each in unknown[1:]] == [
        "missing_part",
        "二",
    ]
    # one chapter whose bytes are damaged
    damaged = bytearray(epub())
    damaged[bytes(damaged).index(FIRST.encode()) + 5] ^= 1
    found = read_epub(bytes(damaged))
    assert [each.reason if isinstance(each, Rejection) else each.title for each in found[1:]] == ["malformed", "二"]


def test_self_closed_elements_eat_no_chapter() -> None:
    page = f"<html xmlns='http://www.w3.org/1999/xhtml'><head><title/><script src='r.js'/></head><body><h1>One</h1><p>{FIRST}</p>"
    later = f"<audio src='a.mp3'/><h1>Later</h1><p>{FIRST}</p></body></html>"
    found = sections(epub(**{"OEBPS/text/one.xhtml": page + later}))
    assert [section.title for section in found] == ["One", "Later", "二"]


def test_all_of_a_chapter_is_read() -> None:
    parts = (
        f"<body><h1>One</h1><p>{FIRST * 4}</p><div class='sidebar'><p>Aside.</p></div><aside epub:type='footnote'>1. Ibid.</aside>"
        "<section class='related'><p>More on it.</p></section><p><a href='x' rel='prev'>Previous</a> <a href='y'>Next</a></p></body>"
    )
    text = sections(epub(**{"OEBPS/text/one.xhtml": parts}))[0].body
    assert text == f"{FIRST * 4}\n\nAside.\n\n1. Ibid.\n\nMore on it."


def test_contents_pages_and_parts_outside_the_reading_order() -> None:
    contents = '<body><h1>Contents</h1><p><a href="text/one.xhtml">One: the beginning of the story of the house</a></p><p>Here.</p></body>'
    package = PACKAGE.replace(' properties="nav"', "").replace(
        "</package>", '<guide><reference type="toc" href="nav.xhtml"/></guide></package>'
    )
    book = epub(**{"OEBPS/book.opf": package, "OEBPS/nav.xhtml": contents})
    assert [section.title for section in sections(book)] == ["One", "二"]
    # a chapter in which the contents are is a chapter
    chapter = epub(**{"OEBPS/book.opf": package, "OEBPS/nav.xhtml": PAGE.format("Preface", FIRST)})
    assert [section.title for section in sections(chapter)] == ["Preface", "One", "二"]
    # contents that the book does not name, but that are nothing else
    unnamed = {
        "OEBPS/book.opf": PACKAGE.replace(' properties="nav"', ""),
        "OEBPS/nav.xhtml": contents.replace("<p>Here.</p>", ""),
    }
    assert [section.title for section in sections(epub(**unnamed))] == ["One", "二"]
    outside = {"OEBPS/book.opf": PACKAGE.replace('idref="b"', 'idref="b" linear="no"')}
    assert [section.title for section in sections(epub(**outside))] == ["One"]
    # notes that the text leads to
    noted = outside | {"OEBPS/text/one.xhtml": PAGE.format("One", f'{FIRST}<a href="two%20b.xhtml#n1">1</a>')}
    assert [section.title for section in sections(epub(**noted))] == ["One", "二"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (epub(**{"META-INF/container.xml": None}), "malformed"),
        (epub(**{"META-INF/container.xml": "<container/>"}), "malformed"),
        (epub(**{"OEBPS/book.opf": None}), "malformed"),
        (epub()[:-100], "truncated"),
        (b"no zip", "malformed"),
    ],
)
def test_what_cannot_be_read_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_epub(data)
    assert caught.value.reason == reason


def test_how_much_of_a_book_was_read() -> None:
    contents = (
        '<body><h1>Contents</h1><p><a href="text/one.xhtml">One: the beginning of the story of the house</a></p></body>'
    )
    package = PACKAGE.replace(' properties="nav"', "").replace('idref="b"', 'idref="b" linear="no"')
    (coverage, *_) = read_epub(epub(**{"OEBPS/book.opf": package, "OEBPS/nav.xhtml": contents}))
    left_out, outside = len("Contents" + "One: the beginning of the story of the house"), len("二" + SECOND)
    kept = len("One" + FIRST)
    assert coverage == Coverage(kept + left_out + outside, kept, left_out)


def test_parts_outside_the_reading_order_to_which_a_text_leads() -> None:
    outside = {"OEBPS/book.opf": PACKAGE.replace('idref="b"', 'idref="b" linear="no"')}
    whole = outside | {
        "OEBPS/text/one.xhtml": PAGE.format("One", f'{FIRST}<a class="x" href="two%20b.xhtml">Answers</a>')
    }
    assert [section.title for section in sections(epub(**whole))] == ["One", "二"]
    # a contents page leads to everything
    listed = {
        "OEBPS/book.opf": outside["OEBPS/book.opf"].replace(' properties="nav"', ""),
        "OEBPS/nav.xhtml": '<body><p><a href="text/one.xhtml">One, a beginning</a> <a href="text/two%20b.xhtml">Two, an end</a></p></body>',
    }
    assert [section.title for section in sections(epub(**listed))] == ["One"]


@pytest.mark.parametrize(
    "body",
    [
        "<p><a href='https://firm.de/a'>Lung and air, a study of many years</a></p><p><a href='//firm.de/b'>Air</a></p>",
        "<p><a href='text/one.xhtml#r1'>Ibid., in the second volume of the work</a></p>",
        "<p id='n1'>Ibid. <a href='text/one.xhtml#r1'>Back to the text of the chapter</a></p>",
    ],
)
def test_links_out_of_the_book_and_back_to_the_text_are_no_contents(body: str) -> None:
    parts = {"OEBPS/book.opf": PACKAGE.replace(' properties="nav"', ""), "OEBPS/nav.xhtml": f"<body>{body}</body>"}
    assert len(sections(epub(**parts))) == 3
