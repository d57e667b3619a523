from __future__ import annotations

import io
import zipfile

import pytest

from domainlm.raw.unreadable import Unreadable
from domainlm.text.reading.epub import read_epub

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


def test_chapters_in_reading_order_below_the_book_s_title() -> None:
    assert [(s.path, s.title, s.body, s.end) for s in read_epub(epub())] == [
        (("肺炎 手册", "One"), "One", FIRST, -1),
        (("肺炎 手册", "二"), "二", SECOND, -1),
    ]


def test_locked_fonts_are_no_locked_book() -> None:
    reference = '<encryption><EncryptedData><CipherReference URI="{}"/></EncryptedData></encryption>'
    fonts = epub(**{"META-INF/encryption.xml": reference.format("OEBPS/font.otf")})
    assert len(read_epub(fonts)) == 2
    chapters = epub(**{"META-INF/encryption.xml": reference.format("OEBPS/text/two%20b.xhtml")})
    with pytest.raises(Unreadable) as caught:
        read_epub(chapters)
    assert caught.value.reason == "encrypted"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (epub(**{"META-INF/container.xml": None}), "malformed"),
        (epub(**{"META-INF/container.xml": "<container/>"}), "malformed"),
        (epub(**{"OEBPS/book.opf": None}), "malformed"),
        (epub(**{"OEBPS/text/one.xhtml": None}), "malformed"),
        (epub()[:-100], "truncated"),
        (b"no zip", "malformed"),
    ],
)
def test_what_cannot_be_read_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_epub(data)
    assert caught.value.reason == reason
