from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest

from domainlm.config.text import Documents
from domainlm.raw.unreadable import Unreadable
from domainlm.text.document import Document
from domainlm.text.reading.pdf import read_pdf
from domainlm.text.reading.pieces import Rejection, Section
from domainlm.text.reading.readers import read_documents_of, reader_process

WORDS = "the patient has had a dry cough and fever for at least three days and says that rest does not help at all "


def drawn(draw: Callable[[Any], None], **options: Any) -> bytes:
    """A PDF drawn by a function that is given reportlab's canvas."""
    from reportlab.pdfgen.canvas import Canvas

    file = io.BytesIO()
    canvas = Canvas(file, pagesize=(600, 800), invariant=True, **options)
    draw(canvas)
    canvas.save()
    return file.getvalue()


def book(pages: int = 4, **options: Any) -> bytes:
    """Pages with a head, twenty lines of one long paragraph, and a page number; the word `page` and its number in each."""

    def draw(canvas: Any) -> None:
        for number in range(1, pages + 1):
            canvas.setFont("Helvetica", 10)
            canvas.drawString(50, 770, "A Manual of Coughs")
            for line in range(20):
                canvas.drawString(50, 700 - 12 * line, f"page {'abcdefghi'[number]} {WORDS[:70]}")
            canvas.drawString(300, 30, f"{number}")
            canvas.showPage()

    return drawn(draw, **options)


def bodies(data: bytes) -> list[str]:
    return [found.body.strip() for found in read_pdf(data) if isinstance(found, Section)]


def reason(data: bytes) -> str:
    with pytest.raises(Unreadable) as caught:
        read_pdf(data)
    return caught.value.reason


def documents(data: bytes, **knobs: Any) -> list[Document | Rejection]:
    row = {"source": "s", "role": "corpus", "path": "a.pdf", "format": "pdf", "size": len(data), "start": 0}
    row |= {"end": len(data), "licence": "MIT", "authority": "", "stance": ""}
    config = Documents.model_validate(knobs)
    with reader_process(config) as process:
        found = list(read_documents_of(row, io.BytesIO(data), config, process))
    assert found == list(read_documents_of(row, io.BytesIO(data), config))
    return found


def test_a_paragraph_flows_over_pages_without_heads_and_page_numbers() -> None:
    (text,) = bodies(book())
    line = WORDS[:70].strip()
    assert text == " ".join(f"page {letter} {line}" for letter in "bcde" for _ in range(20))


def test_a_document_knows_its_pages() -> None:
    found = documents(book(6), max_section_chars=2000)
    pages = sorted(each.meta for each in found if isinstance(each, Document))
    assert pages[0] == '{"pages": [1, 2]}'
    assert pages[-1].endswith("6]}")
    for each in found:
        assert isinstance(each, Document)
        first, last = each.meta[11], each.meta[14]
        letters = [
            word for before, word in zip(each.text.split(), each.text.split()[1:], strict=False) if before == "page"
        ]
        assert {"abcdefghi"[int(first)], "abcdefghi"[int(last)]} >= {letters[0], letters[-1]}
        assert (each.start, each.end) == (0, len(book(6)))


def test_bookmarks_are_sections() -> None:
    def draw(canvas: Any) -> None:
        for key, title, level in (
            ("a", "Lungs", 0),
            ("b", "Cough", 1),
            ("c", "Figure 9, not in the text", 1),
            ("d", "Heart", 0),
        ):
            canvas.setFont("Helvetica", 10)
            canvas.bookmarkPage(key)
            canvas.addOutlineEntry(title, key, level)
            if key == "b":
                canvas.drawString(50, 730, "So much.")
            if key != "c":
                canvas.drawString(50, 700, f"{ord(key) - 96}.2 {title}")
                canvas.drawString(50, 650, f"All about {title.lower()}.")
            canvas.showPage()

    found = [each for each in read_pdf(drawn(draw)) if isinstance(each, Section)]
    assert [(each.path, each.title, each.body.strip(), [n for _, n in each.pages]) for each in found] == [
        (("1.2 Lungs",), "1.2 Lungs", "All about lungs.\nSo much.", [1, 2]),
        (("1.2 Lungs", "2.2 Cough"), "2.2 Cough", "All about cough.", [2]),
        (("4.2 Heart",), "4.2 Heart", "All about heart.", [4]),
    ]


@pytest.mark.parametrize("is_by_row", [False, True])
def test_two_columns_are_read_one_after_the_other(is_by_row: bool) -> None:
    def draw(canvas: Any) -> None:
        canvas.setFont("Helvetica", 16)
        canvas.drawString(50, 740, "Coughs of the lungs and of the throat: a review of all of them")
        canvas.setFont("Helvetica", 10)
        places = [(column, line) for column in (0, 1) for line in range(30)]
        for column, line in sorted(places, key=lambda place: place[1] if is_by_row else 0):
            canvas.drawString(50 + 260 * column, 700 - 12 * line, f"{'LR'[column]}{line:02d} {WORDS[:40]}")

    (text,) = bodies(drawn(draw))
    marks = [word for word in text.split() if word[1:].isdigit()]
    assert marks == [f"{side}{line:02d}" for side in "LR" for line in range(30)]
    assert text.startswith("Coughs of the lungs and of the throat: a review of all of them\n\nL00 the patient")


def test_a_table_is_read_by_row() -> None:
    def draw(canvas: Any) -> None:
        canvas.setFont("Helvetica", 10)
        for row in range(12):
            canvas.drawString(50, 700 - 14 * row, f"drug {'abcdefghijkl'[row]} {'x' * (row % 5)}")
            canvas.drawString(300, 700 - 14 * row, f"{row} mg")

    (text,) = bodies(drawn(draw))
    assert [line.split()[:2] + line.split()[-2:] for line in text.split("\n")] == [
        ["drug", "abcdefghijkl"[row], str(row), "mg"] for row in range(12)
    ]


def test_chinese_text() -> None:
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.pdfbase.pdfmetrics import registerFont

    def draw(canvas: Any) -> None:
        registerFont(UnicodeCIDFont("STSong-Light"))
        canvas.setFont("STSong-Light", 10)
        for line, text in enumerate(
            ("肺炎是由病原微生物等因素引起的肺部炎症，患者常有发热和咳", "嗽，严重时呼吸困难。")
        ):
            canvas.drawString(50, 700 - 14 * line, text)

    assert bodies(drawn(draw)) == ["肺炎是由病原微生物等因素引起的肺部炎症，患者常有发热和咳嗽，严重时呼吸困难。"]


def test_text_that_runs_upwards() -> None:
    def draw(canvas: Any) -> None:
        canvas.rotate(90)
        canvas.setFont("Helvetica", 10)
        for line in range(6):
            canvas.drawString(50, -100 - 12 * line, f"{line} {WORDS[:60]}")

    assert [word for word in bodies(drawn(draw))[0].split() if word.isdigit()] == list("012345")


def minimal(mapped: dict[int, str], *shown: str) -> bytes:
    """A PDF of these lines, whose font maps codes to these characters."""
    pairs = "".join(f"<{code:02X}> <{text.encode('utf-16-be').hex()}>\n" for code, text in mapped.items())
    cmap = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap 1 begincodespacerange <00> <FF> endcodespacerange "
        f"{len(mapped)} beginbfchar\n{pairs}endbfchar endcmap end end"
    )
    content = f"BT /F 12 Tf 20 200 Td {' 0 -14 Td '.join(f'({line}) Tj' for line in shown)} ET"
    objects = (
        "<</Type/Catalog/Pages 2 0 R>>",
        "<</Type/Pages/Kids[3 0 R]/Count 1>>",
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>",
        f"<</Length {len(content)}>>stream\n{content}\nendstream",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/ToUnicode 6 0 R>>",
        f"<</Length {len(cmap)}>>stream\n{cmap}\nendstream",
    )
    body = "".join(f"{number} 0 obj\n{text}\nendobj\n" for number, text in enumerate(objects, 1))
    return f"%PDF-1.4\n{body}trailer<</Size 7/Root 1 0 R>>\n%%EOF".encode()


def test_characters_beyond_16_bits() -> None:
    data = minimal({0x41: "\U00020bb7", 0x42: "\U0001d465", 0x43: "中"}, "ABC CAB CCCCCCCCCCCC")
    assert bodies(data) == ["\U00020bb7\U0001d465中 中\U00020bb7\U0001d465 中中中中中中中中中中中中"]
    # the places of the lines that follow are those of their characters
    data = minimal({0x41: "\U00020bb7", 0x43: "中"}, "A" * 20, "CC", "C" * 10)
    assert bodies(data) == ["\U00020bb7" * 20 + "中中\n" + "中" * 10]


@pytest.mark.parametrize("size", [b"-9", b".0", b"4e", b"99999999999999999999999999999999999999999"])
def test_a_font_of_an_impossible_size(size: bytes) -> None:
    # found by changing bytes at random
    data = minimal({0x43: "中"}, "C" * 20, "CC", "C" * 10).replace(b"/F 12 Tf", b"/F " + size + b" Tf")
    # PDFium leaves out what has no size
    assert "".join(bodies(data)).replace("\n", "") == ("中" * 32 if size == b"-9" else "")


def test_a_font_without_unicode_is_named_and_not_read() -> None:
    assert reason(minimal({65 + n: chr(0xE000 + n) for n in range(20)}, "ABCDEFGHIJKLMNOPQRST")) == "unmapped_fonts"


def test_bad_files_have_a_reason() -> None:
    data = book()
    assert reason(data[: len(data) // 2][:200]) == "truncated"
    assert reason(b"%PDF-1.4\n" + bytes(range(256)) * 20 + b"%%EOF") == "damaged"
    assert reason(b"<html>not a PDF at all</html> %%EOF") == "damaged"
    assert reason(book(1, encrypt="secret")) == "encrypted"


def test_pages_of_a_truncated_file_are_read_and_it_is_listed() -> None:
    data = book(8)
    found = read_pdf(data[: data.rindex(b"startxref")])
    assert isinstance(found[0], Rejection)
    assert found[0].reason == "truncated"
    assert any(isinstance(each, Section) and "page b the patient" in each.body for each in found)


def test_scanned_pages_are_listed() -> None:
    def draw(canvas: Any, is_text_too: bool = True) -> None:
        from reportlab.lib.utils import ImageReader

        image = ImageReader(io.BytesIO(b"P5 2 2 255\n\0\xff\xff\0"))
        for number in range(1, 6):
            if number in (2, 3, 5) or not is_text_too:
                canvas.drawImage(image, 20, 20, 560, 760)
                canvas.drawString(300, 30, str(number))
            elif number == 4:
                canvas.drawString(50, 700, f"Text on page {number} and nothing else.")
            canvas.showPage()

    found = read_pdf(drawn(draw))
    assert found[0] == Rejection("scanned_pages", "pages 2-3, 5 of 5")
    assert [each.body.split("\n")[0] for each in found if isinstance(each, Section)] == [
        "Text on page 4 and nothing else."
    ]
    assert reason(drawn(lambda canvas: draw(canvas, is_text_too=False))) == "scanned"


def test_a_file_of_blank_pages_has_no_text() -> None:
    assert documents(drawn(lambda canvas: canvas.showPage())) == [
        Rejection("no_text", "no section of the file has a text")
    ]


def test_a_slanted_watermark_goes_and_slanted_labels_stay() -> None:
    def draw(canvas: Any) -> None:
        for number in range(2):
            canvas.setFont("Helvetica", 10)
            for line in range(20):
                canvas.drawString(50, 700 - 12 * line, f"page {'ab'[number]} {WORDS[:70]}")
            canvas.saveState()
            canvas.translate(300, 400)
            canvas.rotate(45)
            canvas.setFont("Helvetica", 40)
            canvas.drawCentredString(0, 0, "CONFIDENTIAL DRAFT")
            canvas.restoreState()
            canvas.saveState()
            canvas.translate(100, 100)
            canvas.rotate(40)
            canvas.setFont("Helvetica", 10)
            canvas.drawString(0, 0, f"Temperature {'ab'[number]}")
            canvas.restoreState()
            canvas.showPage()

    text = "\n".join(bodies(drawn(draw)))
    assert "CONFIDENTIAL" not in text
    assert text.count("a dry cough") == 40
    assert [f"Temperature {name}" in text for name in "ab"] == [True, True]


def test_raised_digits_are_raised() -> None:
    def draw(canvas: Any) -> None:
        at = canvas.beginText(50, 700)
        for text, size, rise in (
            *(
                ("The culture held 10", 11, 0),
                ("5", 7, 4),
                (" cells, 10", 11, 0),
                ("-12", 7, 4),
                (" m and 25 cm", 11, 0),
            ),
            *(("2", 7, 4), (" of it, H", 11, 0), ("2", 7, -2), ("O and 1250 ml, as 24 of them said", 11, 0)),
        ):
            at.setFont("Helvetica", size)
            at.setRise(rise)
            at.textOut(text)
        canvas.drawText(at)

    assert bodies(drawn(draw)) == [
        "The culture held 10⁵ cells, 10⁻¹² m and 25 cm² of it, H2O and 1250 ml, as 24 of them said"
    ]


def test_a_number_behind_a_gap_in_scaled_text_is_not_raised() -> None:
    def draw(canvas: Any) -> None:
        canvas.setFont("Helvetica", 50)
        canvas.scale(0.2, 0.2)
        font = canvas._doc.getInternalFontName("Helvetica")[1:]
        # PDFium puts blanks into the gaps, which have neither the scale nor the place of the text
        words = "[(They were made) -600 (12 grams in) -700 (1999 and 10)] TJ"
        canvas._code.append(
            f"BT /{font} 50 Tf 300 2000 Td {words} /{font} 30 Tf 15 Ts (5) Tj /{font} 50 Tf 0 Ts ( of them) Tj ET"
        )

    assert bodies(drawn(draw)) == ["They were made 12 grams in 1999 and 10⁵ of them"]
