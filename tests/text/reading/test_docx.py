from __future__ import annotations

import io
import zipfile

import pytest

from domainlm.raw.unreadable import Unreadable
from domainlm.text.reading.docx import read_docx

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
STYLES = f"""<w:styles {W}>
<w:style w:styleId="T"><w:name w:val="Title"/></w:style>
<w:style w:styleId="H1"><w:name w:val="heading 1"/><w:pPr><w:numPr><w:numId w:val="4"/></w:numPr></w:pPr></w:style>
<w:style w:styleId="H2"><w:name w:val="heading 2"/><w:basedOn w:val="Normal"/></w:style>
<w:style w:styleId="Own"><w:name w:val="Chapter"/><w:basedOn w:val="H1"/></w:style>
<w:style w:styleId="Bullet"><w:name w:val="List Bullet"/><w:pPr><w:numPr><w:numId w:val="1"/></w:numPr></w:pPr></w:style>
<w:style w:styleId="TOC1"><w:name w:val="toc 1"/></w:style>
<w:style w:styleId="A"><w:name w:val="a"/><w:basedOn w:val="B"/></w:style>
<w:style w:styleId="B"><w:name w:val="b"/><w:basedOn w:val="A"/></w:style>
</w:styles>"""


def paragraph(text: str, style: str = "", runs: str = "") -> str:
    properties = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{properties}<w:r><w:t>{text}</w:t></w:r>{runs}</w:p>"


def docx(body: str, **parts: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", f"<w:document {W}><w:body>{body}</w:body></w:document>")
        archive.writestr("word/styles.xml", STYLES)
        for name, text in parts.items():
            archive.writestr(f"word/{name}.xml", text)
    return file.getvalue()


def test_headings_by_name_by_base_and_by_outline() -> None:
    outlined = '<w:p><w:pPr><w:outlineLvl w:val="1"/></w:pPr><w:r><w:t>Outlined</w:t></w:r></w:p>'
    body = (
        paragraph("肺炎", "T")
        + paragraph("Contents 1", "TOC1")
        + paragraph("Before.")
        + paragraph("One", "H1")
        + paragraph("First.")
        + outlined
        + paragraph("Second.")
        + paragraph("Two", "Own")
        + paragraph("Third.", "A")
    )
    assert [(s.path, s.title, s.body, s.end) for s in read_docx(docx(body))] == [
        (("肺炎",), "肺炎", "Before.", -1),
        (("肺炎", "One"), "One", "First.", -1),
        (("肺炎", "One", "Outlined"), "Outlined", "Second.", -1),
        (("肺炎", "Two"), "Two", "Third.", -1),
    ]


def test_lists_tables_and_notes_are_lines() -> None:
    row = "<w:tr><w:tc>{}</w:tc><w:tc>{}</w:tc></w:tr>"
    table = (
        f"<w:tbl>{row.format(paragraph('a'), paragraph('b') + paragraph('c'))}{row.format('<w:p/>', '<w:p/>')}</w:tbl>"
    )
    body = paragraph("Say:") + paragraph("x", "Bullet") + paragraph("y", "Bullet") + table + paragraph("End.")
    notes = f'<w:footnotes {W}><w:footnote w:type="separator">{paragraph("no")}</w:footnote>'
    notes += f"<w:footnote>{paragraph('A note.')}</w:footnote></w:footnotes>"
    (section,) = read_docx(docx(body, footnotes=notes))
    assert section.body == "Say:\n\n- x\n- y\n\na | b c\n\nEnd.\n\nA note."


def test_what_a_reader_of_the_page_sees() -> None:
    kept = f"<w:ins>{'<w:r><w:t> inserted</w:t></w:r>'}</w:ins>"
    gone = "<w:del><w:r><w:delText> deleted</w:delText><w:t> gone</w:t></w:r></w:del>"
    gone += "<w:r><w:rPr><w:vanish/></w:rPr><w:t> hidden</w:t></w:r><w:r><w:instrText> PAGE </w:instrText></w:r>"
    marks = "<w:r><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t><w:noBreakHyphen/><w:t>d</w:t></w:r>"
    box = f"<w:r><w:pict><w:txbxContent>{paragraph('In a box.')}</w:txbxContent></w:pict></w:r>"
    control = f"<w:sdt><w:sdtContent>{paragraph('In a form.')}</w:sdtContent></w:sdt>"
    (section,) = read_docx(docx(paragraph("a", runs=kept + gone + marks + box) + control))
    assert section.body == "a inserted\tb\nc-d\n\nIn a box.\n\nIn a form."


def test_text_boxes_in_cells_and_notes_are_read_after_their_paragraphs() -> None:
    def boxed(text: str, inner: str = "") -> str:
        return f"<w:r><w:pict><w:txbxContent>{paragraph(text, runs=inner)}</w:txbxContent></w:pict></w:r>"

    cell = paragraph("a", runs=boxed("in a box", boxed("in its box"))) + paragraph("b")
    table = f"<w:tbl><w:tr><w:tc>{cell}</w:tc><w:tc>{paragraph('c')}</w:tc></w:tr></w:tbl>"
    notes = f"<w:footnotes {W}><w:footnote>{paragraph('A note.', runs=boxed('Its box.'))}</w:footnote></w:footnotes>"
    (section,) = read_docx(docx(table, footnotes=notes))
    assert section.body == "a b in a box in its box | c\n\nA note. Its box."


def test_the_main_part_is_the_one_that_the_package_names() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("_rels/.rels", '<R><r Type="http://x/officeDocument" Target="/word/Document2.xml"/></R>')
        archive.writestr("word/document2.xml", f"<w:document {W}><w:body>{paragraph('Text.')}</w:body></w:document>")
    assert [section.body for section in read_docx(file.getvalue())] == ["Text."]


def test_deep_nesting_ends() -> None:
    deep = "<w:x>" * 20_000 + paragraph("deep") + "</w:x>" * 20_000
    assert [section.body for section in read_docx(docx(deep))] == ["deep"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"text", "malformed"),
        (docx(paragraph("a"))[:-60], "truncated"),
        (docx("<w:p>"), "malformed"),
        (docx("").replace(b"word/document.xml", b"word/dokument.xml"), "malformed"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100) + "EncryptedPackage".encode("utf-16-le"), "encrypted"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), "unknown_format"),
    ],
)
def test_what_cannot_be_read_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_docx(data)
    assert caught.value.reason == reason
