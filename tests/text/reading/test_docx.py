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
        for name, text in {"styles": STYLES, **parts}.items():
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


M = 'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'


def formula(content: str) -> str:
    return f"<m:oMath {M}>{content}</m:oMath>"


def part(name: str, text: str) -> str:
    return f"<m:{name}><m:r><m:t>{text}</m:t></m:r></m:{name}>"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (f"<m:f>{part('num', '1')}{part('den', '2')}</m:f>", "1/2"),
        (f"<m:f>{part('num', 'a+b')}{part('den', '2c')}</m:f>", "(a+b)/2c"),
        (f"<m:f><m:fPr><m:type m:val='noBar'/></m:fPr>{part('num', 'n')}{part('den', 'k')}</m:f>", "n over k"),
        (f"<m:sSup>{part('e', 'r')}{part('sup', '2')}</m:sSup>", "r^2"),
        (f"<m:sSup>{part('e', '10')}{part('sup', '-5')}</m:sSup>", "10^-5"),
        (f"<m:sSup>{part('e', 'x')}{part('sup', 'n+1')}</m:sSup>", "x^(n+1)"),
        (f"<m:sSubSup>{part('e', 'x')}{part('sub', 'i')}{part('sup', '2')}</m:sSubSup>", "x_i^2"),
        (f"<m:rad><m:radPr><m:degHide m:val='1'/></m:radPr><m:deg/>{part('e', '2')}</m:rad>", "√(2)"),
        (f"<m:rad>{part('deg', '3')}{part('e', 'x')}</m:rad>", "∛(x)"),
        (f"<m:rad>{part('deg', 'n')}{part('e', 'x')}</m:rad>", "x^(1/n)"),
        (
            f"<m:nary><m:naryPr><m:chr m:val='∑'/></m:naryPr>{part('sub', 'i=1')}{part('sup', 'n')}{part('e', 'i')}</m:nary>",
            "∑_(i=1)^n i",
        ),
        (f"<m:d><m:dPr><m:begChr m:val='['/></m:dPr>{part('e', 'a')}{part('e', 'b')}</m:d>", "[a|b)"),
        (f"<m:func>{part('fName', 'sin')}{part('e', 'x')}</m:func>", "sin x"),
        (
            f"<m:m><m:mr>{part('e', '1')}{part('e', '2')}</m:mr><m:mr>{part('e', '3')}{part('e', '4')}</m:mr></m:m>",
            "1 2; 3 4",
        ),
    ],
)
def test_formulas_keep_what_positions_mean(content: str, expected: str) -> None:
    (section,) = read_docx(docx(paragraph("It is ", runs=formula(content) + "<w:r><w:t> here.</w:t></w:r>")))
    assert section.body == f"It is {expected} here."


def test_a_deep_formula_ends() -> None:
    deep = f"<m:rad>{'<m:e><m:rad>' * 2000}{part('e', '2')}{'</m:rad></m:e>' * 2000}</m:rad>"
    (section,) = read_docx(docx(paragraph("It is ", runs=formula(deep))))
    assert section.body.count("√(") == 2001


def test_symbols_of_fonts_are_the_characters_that_are_seen() -> None:
    def sym(font: str, char: str) -> str:
        return f'<w:r><w:sym w:font="{font}" w:char="{char}"/></w:r>'

    def run(font: str, text: str) -> str:
        return f'<w:r><w:rPr><w:rFonts w:ascii="{font}"/></w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'

    dose = sym("Symbol", "F06D") + "<w:r><w:t>g, if </w:t></w:r>" + sym("Symbol", "F0B3") + "<w:r><w:t> 30 </w:t></w:r>"
    dose += run("Symbol", "\uf0b1") + run("Symbol", "a") + run("Arial", "\uf0b0C") + sym("Wingdings", "F0FC")
    dose += sym("Wingdings", "F021") + sym("Arial", "2265") + run("Wingdings", "J") + sym("Symbol", "zz")
    (section,) = read_docx(docx(paragraph("Give 5 ", runs=dose)))
    assert section.body == "Give 5 \xb5g, if ≥ 30 ±α°C✓≥☺"


def test_powers_are_marked_and_endings_are_not() -> None:
    def raised(text: str) -> str:
        return f'<w:r><w:rPr><w:vertAlign w:val="superscript"/></w:rPr><w:t>{text}</w:t></w:r>'

    def plain(text: str) -> str:
        return f'<w:r><w:t xml:space="preserve">{text}</w:t></w:r>'

    runs = (
        raised("5") + plain(" cells, 10") + raised("-") + raised("12") + plain(" m, 25 cm") + raised("2") + plain(", 2")
    )
    runs += raised("n") + plain(", 1") + raised("st") + plain(" and Ca") + raised("2+") + plain(", x") + raised("n+1")
    (section,) = read_docx(docx(paragraph("It held 10", runs=runs)))
    assert section.body == "It held 10^5 cells, 10^-12 m, 25 cm^2, 2^n, 1st and Ca2+, x^(n+1)"


def numbered(text: str, number: int | None = None, level: int = 0, style: str = "") -> str:
    numbers = f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{number}"/></w:numPr>' if number is not None else ""
    styled = f'<w:pStyle w:val="{style}"/>' if style else ""
    return f"<w:p><w:pPr>{styled}{numbers}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"


def level(number: int, text: str, number_format: str = "decimal", extra: str = "", start: int = 1) -> str:
    return (
        f'<w:lvl w:ilvl="{number}"><w:start w:val="{start}"/><w:numFmt w:val="{number_format}"/>{extra}'
        f'<w:lvlText w:val="{text}"/></w:lvl>'
    )


def lists(*definitions: str, numbers: str = "") -> str:
    found = "".join(
        f'<w:abstractNum w:abstractNumId="{at}">{each}</w:abstractNum>' for at, each in enumerate(definitions)
    )
    found += "".join(
        f'<w:num w:numId="{at + 1}"><w:abstractNumId w:val="{at}"/></w:num>' for at in range(len(definitions))
    )
    return f"<w:numbering {W}>{found}{numbers}</w:numbering>"


def test_automatic_numbers_are_in_the_text() -> None:
    outline = level(0, "%1.") + level(1, "%1.%2", extra="<w:isLgl/>") + level(2, "(%3)", "lowerLetter")
    articles = level(0, "第%1条", "chineseCounting", '<w:suff w:val="nothing"/>')
    bullets = level(0, "\uf0b7", "bullet")
    body = (
        numbered("Scope", 1)
        + numbered("Of goods", 1, 1)
        + numbered("new", 1, 2)
        + numbered("used", 1, 2)
        + numbered("Of work", 1, 1)
        + numbered("Price", 1)
        + numbered("See clause 1.2.", 1, 1)
        + paragraph("Between.")
        + "".join(numbered(f"条文{at}。", 2) for at in range(1, 13))
        + numbered("x", 3)
        + numbered("y", 9)
        + numbered("z", 0)
    )
    (section,) = read_docx(docx(body, numbering=lists(outline, articles, bullets)))
    lines = section.body.replace("\n\n", "\n").split("\n")
    assert lines[:8] == [
        "1. Scope",
        "1.1 Of goods",
        "(a) new",
        "(b) used",
        "1.2 Of work",
        "2. Price",
        "2.1 See clause 1.2.",
        "Between.",
    ]
    assert [lines[8], lines[9], lines[19]] == ["第一条条文1。", "第二条条文2。", "第十二条条文12。"]
    assert lines[20:] == ["- x", "- y", "z"]


def test_headings_cells_and_styles_are_numbered_and_lists_start_anew_where_they_say_so() -> None:
    styles = STYLES.replace('<w:numId w:val="1"/>', '<w:numId w:val="2"/>')
    outline = level(0, "§ %1", extra='<w:pStyle w:val="H1"/>', start=3)
    again = '<w:num w:numId="4"><w:abstractNumId w:val="0"/></w:num><w:num w:numId="5"><w:abstractNumId w:val="1"/>'
    again += '<w:lvlOverride w:ilvl="0"><w:startOverride w:val="1"/></w:lvlOverride></w:num>'
    row = f"<w:tr><w:tc>{numbered('', 5)}</w:tc><w:tc>{paragraph('a')}</w:tc></w:tr>"
    body = numbered("Aim", style="H1") + numbered("one", style="Bullet") + numbered("two", style="Bullet")
    body += numbered("Means", style="Own") + numbered("three", 2) + f"<w:tbl>{row}{row}</w:tbl>"
    found = docx(body, styles=styles, numbering=lists(outline, level(0, "%1)", "upperRoman"), numbers=again))
    assert [(section.title, section.body) for section in read_docx(found)] == [
        ("§ 3 Aim", "I) one\nII) two"),
        ("§ 4 Means", "III) three\n\nI) | a\nII) | a"),
    ]
