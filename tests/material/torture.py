"""A folder of more than 120 files that a corpus should not have: every format, and every fault that files are known to have.

In: an empty folder. Out: the files, and what each one must end in: `text`, or one of the reasons why it gives none. Made here
from nothing; all of it is neutral. As a script it writes the folder, or tables of it, and prints what each must end in:
`PYTHONPATH=tests python -m material.torture FOLDER [sound charsets faults archives]`.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import json
import lzma
import os
import random
import struct
import sys
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from material.packers import tarred, zipped

ENGLISH = (
    "The lung is an organ of the respiratory system. Its principal function is the transport of oxygen from the air into "
    "the blood, and the release of carbon dioxide from the blood into the air. "
)
SIMPLIFIED = "肺是呼吸系统的重要器官，其主要功能是把空气中的氧气送入血液，并把血液中的二氧化碳排到空气中。"
TRADITIONAL = "肺是呼吸系統的重要器官，其主要功能是把空氣中的氧氣送入血液，並把血液中的二氧化碳排到空氣中。"
JAPANESE = "肺は呼吸器系の重要な器官であり、空気中の酸素を血液に送り、血液中の二酸化炭素を空気中に出します。"
ACCENTED = "L'hypertension artérielle pulmonaire est une maladie rare où la pression est élevée, même à l'effort. "
W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
BIG_LINE_BYTES = 200_000_000


def docx(text: str) -> bytes:
    body = "".join(f"<w:p><w:r><w:t>{line}</w:t></w:r></w:p>" for line in text.split("\n"))
    return zipped({"word/document.xml": f"<w:document {W}><w:body>{body}</w:body></w:document>"})


def epub(text: str, **changes: str) -> bytes:
    package = (
        "<package><metadata><title>Book</title></metadata><manifest>"
        '<item id="a" href="a.xhtml" media-type="application/xhtml+xml"/></manifest><spine><itemref idref="a"/></spine></package>'
    )
    parts: dict[str, bytes | str] = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": '<container><rootfile full-path="book.opf"/></container>',
        "book.opf": package,
        "a.xhtml": html(text),
    }
    return zipped(parts | changes)


def html(text: str, head: str = "") -> str:
    return f"<html><head>{head}<title>Page</title></head><body><h1>Lung</h1><p>{text}</p></body></html>"


def pdf(pages: list[str], password: str = "", is_image: bool = False) -> bytes:
    from PIL import Image
    from reportlab.lib.pdfencrypt import StandardEncryption
    from reportlab.pdfgen.canvas import Canvas

    file = io.BytesIO()
    canvas = Canvas(file, encrypt=StandardEncryption(password, canPrint=0) if password else None, invariant=1)
    for page in pages:
        if is_image:
            canvas.drawInlineImage(Image.new("L", (40, 40)), 0, 0, 595, 842)
        for number in range(0, len(page), 80):
            canvas.drawString(72, 760 - number // 5, page[number : number + 80])
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def parquet(rows: list[dict[str, Any]]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), file, row_group_size=2)
    return file.getvalue()


def arrow(rows: list[dict[str, Any]]) -> bytes:
    import pyarrow as pa

    table = pa.Table.from_pylist(rows)
    file = io.BytesIO()
    with pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)
    return file.getvalue()


def _texts(count: int) -> list[str]:
    return [f"Record {number}. {ENGLISH}" for number in range(count)]


def _lines(rows: list[Any]) -> bytes:
    return "\n".join(json.dumps(row) for row in rows).encode() + b"\n"


Table = dict[str, tuple[bytes, str]]


def sound() -> Table:
    """Files that are as they should be, in every format."""
    rows = [{"title": f"T{number}", "text": text} for number, text in enumerate(_texts(5))]
    csv = "title,text\n" + "".join(f'{row["title"]},"{row["text"]}"\n' for row in rows)
    term = f'[Term]\nid: T:1\nname: lung\ndef: "{ENGLISH}" []\n'
    rst = f"Lung\n====\n\n{ENGLISH}\n"
    files: dict[str, bytes | str] = {
        "a.txt": ENGLISH, "a.md": f"# Lung\n\n{ENGLISH}\n", "a.rst": rst, "a.html": html(ENGLISH), "a.htm": html(SIMPLIFIED),
        "a.xhtml": html(TRADITIONAL), "a.jsonl": _lines(rows), "a.json": json.dumps(rows), "one.json": json.dumps(rows[0]),
        "a.csv": csv, "a.tsv": csv.replace(",", "\t"), "semicolons.csv": csv.replace(",", ";"), "a.parquet": parquet(rows),
        "a.arrow": arrow(rows), "a.docx": docx(ENGLISH), "a.epub": epub(ENGLISH), "a.pdf": pdf([ENGLISH, ACCENTED * 2]),
        "a.obo": f"format-version: 1.2\n\n{term}", "no_end.jsonl": _lines(rows)[:-1], "windows.txt": ENGLISH + "\r\n" + ENGLISH,
        "old_mac.txt": ENGLISH + "\r" + ENGLISH, "UPPER.TXT": ENGLISH, "tab.markdown": f"Lung\n----\n\n{ENGLISH}",
    }  # fmt: skip
    return {f"sound/{name}": (data.encode() if isinstance(data, str) else data, "text") for name, data in files.items()}


def charsets() -> Table:
    """Mixed encodings in one folder."""
    found: dict[str, bytes] = {}
    texts = {"simplified": SIMPLIFIED, "traditional": TRADITIONAL, "japanese": JAPANESE, "accented": ACCENTED}
    own = {
        "simplified": ("gb18030", "gbk"),
        "traditional": ("big5",),
        "japanese": ("shift_jis", "euc_jp"),
        "accented": ("latin-1",),
    }
    for name, text in texts.items():
        for charset in ("utf-8", "utf-8-sig", "utf-16", "utf-32", *own[name]):
            found[f"{name}.{charset}.txt"] = (text * 3).encode(charset)
    for charset in ("utf-16-le", "utf-16-be"):
        found[f"unmarked.{charset}.txt"] = (ENGLISH + SIMPLIFIED).encode(charset)
    found["page.gbk.html"] = html(SIMPLIFIED * 3, '<meta charset="gb2312">').encode("gb18030")
    found["page.lies.html"] = html(SIMPLIFIED * 3, '<meta charset="iso-8859-1">').encode("gb18030")
    found["page.big5.html"] = html(TRADITIONAL * 3, '<meta charset="big5">').encode("big5")
    found["table.gbk.csv"] = f"title,text\n短,{SIMPLIFIED}\n长,{SIMPLIFIED}{SIMPLIFIED}\n".encode("gb18030")
    found["table.utf-16.csv"] = f"title,text\n短,{SIMPLIFIED}\n".encode("utf-16")
    found["lines.gbk.jsonl"] = (json.dumps({"text": SIMPLIFIED * 2}, ensure_ascii=False) + "\n").encode("gb18030") * 3
    found["lines.utf-16.jsonl"] = (json.dumps({"text": SIMPLIFIED}, ensure_ascii=False) + "\n").encode("utf-16")
    found["mojibake.txt"] = (SIMPLIFIED * 3).encode().decode("latin-1").encode()
    return {f"charsets/{name}": (data, "text") for name, data in found.items()}


def faults() -> Table:
    """Files that are not as they should be."""
    noise = random.Random(1).randbytes
    rows = [{"text": text} for text in _texts(4)]
    good_pdf, good_docx, good_epub = pdf([ENGLISH, ACCENTED * 2, "Third. " * 30]), docx(ENGLISH * 3), epub(ENGLISH * 3)
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)
    surrogate = b'{"text": "' + ENGLISH.encode() + b' half a pair \\ud83d"}\n'
    drm = '<encryption><CipherReference URI="a.xhtml"/></encryption>'
    endless = good_pdf.replace(b"/Count 3", b"/Count 9999999")
    png = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + noise(300)
    return {
        f"faults/{name}": found
        for name, found in {
            **{
                f"zero_bytes.{suffix}": (b"", "empty") for suffix in ("txt", "md", "rst", "html", "pdf", "docx", "epub")
            },
            **{
                f"zero_bytes.{suffix}": (b"", "empty")
                for suffix in ("json", "jsonl", "csv", "tsv", "parquet", "arrow", "obo")
            },
            "blank.txt": (b" \n\t\n", "empty"),
            "cut_half.pdf": (good_pdf[: len(good_pdf) // 2], "truncated malformed text broken"),
            "cut_start.pdf": (good_pdf[:20], "truncated malformed broken empty"),
            "cut_end.pdf": (good_pdf[:-30], "truncated malformed text broken"),
            "endless.pdf": (endless, "text damaged truncated unknown_format"),
            "noise.pdf": (b"%PDF-1.7\n" + noise(4000), "truncated malformed broken"),
            "locked.pdf": (pdf([ENGLISH], password="secret"), "encrypted"),
            "scanned.pdf": (pdf([""] * 3, is_image=True), "scanned"),
            "half_scanned.pdf": (pdf([ENGLISH * 3, ""], is_image=True), "text scanned_pages"),
            "no_pages.pdf": (
                good_pdf.replace(b"/Type /Page\n", b"/Type /Pags\n"),
                "text damaged truncated",
            ),
            "page.pdf": (html(ENGLISH).encode(), "text"),
            "text.pdf": (ENGLISH.encode(), "text damaged truncated unknown_format"),
            "cut.docx": (good_docx[:-40], "truncated damaged_archive"),
            "cut.epub": (good_epub[: len(good_epub) // 2], "truncated damaged_archive malformed"),
            "locked.docx": (ole + "EncryptedPackage".encode("utf-16-le"), "encrypted unknown_format"),
            "old.doc": (ole, "unknown_format"),
            "old.docx": (ole, "unknown_format"),
            "noise.docx": (b"PK\x03\x04" + noise(2000), "truncated malformed damaged_archive"),
            "bomb.docx": (zipped({"word/document.xml": b"<a>" + b" " * 30_000_000}), "too_large"),
            "entities.docx": (zipped({"word/document.xml": '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'}), "malformed"),
            "no_body.docx": (zipped({"word/document.xml": f"<w:document {W}/>"}), "malformed"),
            "no_words.docx": (docx(""), "no_text"),
            "deep.docx": (docx("<w:x>" * 5000 + "</w:x>" * 5000 + ENGLISH), "no_text"),
            "drm.epub": (epub(ENGLISH, **{"META-INF/encryption.xml": drm}), "encrypted"),
            "no_chapter.epub": (
                zipped({"META-INF/container.xml": '<c><rootfile full-path="b"/></c>', "b": "<p/>"}),
                "no_text",
            ),
            "no_package.epub": (zipped({"META-INF/container.xml": "<c/>"}), "malformed"),
            "binary.txt": (bytes(range(256)) * 20, "binary unknown_format"),
            "noise.txt": (noise(3000), "binary undecodable"),
            "picture.txt": (png, "binary unknown_format"),
            "picture.png": (png, "unknown_format"),
            "program": (b"\x7fELF" + noise(600), "unknown_format binary"),
            "no_extension": (ENGLISH.encode(), "text unknown_format"),
            "strange.xyz": (ENGLISH.encode(), "text unknown_format"),
            # one fault in a text whose mark says its set: it is read with a replacement character there
            "bad_utf8.txt": (codecs.BOM_UTF8 + ENGLISH.encode() + b"\xff\xfe\xff", "text"),
            "odd_utf16.txt": (codecs.BOM_UTF16_LE + ENGLISH.encode("utf-16-le") + b"x", "text"),
            "surrogates.txt": (codecs.BOM_UTF16_LE + ENGLISH.encode("utf-16-le") + b"\x00\xd8", "text"),
            "surrogate_bytes.txt": (
                ENGLISH.encode() + b"\xed\xa0\x80" + ENGLISH.encode(),
                "text undecodable charset_uncertain",
            ),
            "surrogates.jsonl": (surrogate, "text"),
            "zeros.txt": (bytes(5000), "binary"),
            "mixed_lines.txt": (
                SIMPLIFIED.encode() * 4 + b"\n" + SIMPLIFIED.encode("gb18030") * 4,
                "text undecodable charset_uncertain",
            ),
            "cut.jsonl": (_lines(rows)[:-40], "text invalid_json"),
            "array.jsonl": (json.dumps(rows, indent=1).encode(), "text invalid_json invalid_record"),
            "lines.json": (_lines(rows), "text"),
            "other_fields.jsonl": (b'{"body": "x"}\n', "no_text"),
            "numbers.jsonl": (b"1\n2\n", "invalid_record"),
            "deep.jsonl": (b"[" * 100_000 + b"\n", "invalid_json"),
            "deep.json": (b'{"a":' * 5000 + b"1" + b"}" * 5000, "invalid_json"),
            "long_number.jsonl": (b'{"text": ' + b"9" * 10_000 + b"}\n", "invalid_json no_text"),
            "cut.json": (json.dumps(rows).encode()[:-30], "invalid_json text"),
            "one_line.jsonl": (b'{"text": "' + b"a" * BIG_LINE_BYTES + b'"}\n' + _lines(rows), "too_large text"),
            "one_line.txt": (b"word " * 14_000_000, "too_large"),
            "one_line.md": (b"# " + b"a" * 300_000, "text no_text"),
            "open_quote.csv": (b'text\n"open, ' + ENGLISH.encode() * 3, "unclosed_quote"),
            "other_columns.csv": (b"a,b\n1,2\n", "no_text_field"),
            "ragged.csv": (
                b"title,text\na,b,c,d\n" + b"T," + ENGLISH.replace(",", "").encode() + b"\n",
                "text invalid_record",
            ),
            "binary.csv": (png, "no_text_field unknown_format binary malformed"),
            "cut.parquet": (parquet(rows)[:-20], "malformed"),
            "noise.parquet": (b"PAR1" + noise(500) + b"PAR1", "malformed"),
            "other_columns.parquet": (parquet([{"a": 1}]), "no_text_field"),
            "cut.arrow": (arrow(rows)[:400], "malformed"),
            "deep.html": (b"<div>" * 50_000 + ENGLISH.encode(), "text no_text time_limit crashed"),
            "no_words.html": (b"<html><body><script>x</script></body></html>", "no_text"),
            "unclosed.html": (b"<html><body><p>" + ENGLISH.encode() + b"<table><tr><td>" + ENGLISH.encode(), "text"),
            "comment.html": (b"<!--" + ENGLISH.encode() * 10, "no_text"),
            "document.html": (good_docx, "text"),
            "portable.txt": (good_pdf, "text"),
            "web.txt": (html(ENGLISH).encode(), "text"),
            "headings.md": (b"# A\n# B\n", "no_text"),
            "no_terms.obo": (b"format-version: 1.2\n", "no_document"),
            "broken.obo": (b"[Term]\nid\nname\n[Te", "incomplete_record"),
            "a name with\na line end.txt": (ENGLISH.encode(), "text"),
            "名字.txt": (SIMPLIFIED.encode() * 3, "text"),
        }.items()
    }


def archives() -> Table:
    """Archives; the path of what is in them is below their own."""
    text = ENGLISH.encode()
    inner = zipped({"in.txt": ENGLISH})
    bomb = zipped({"big.txt": bytes(30_000_000)})
    deep = inner
    for _ in range(5):
        deep = zipped({"deeper.zip": deep})
    gzipped_tar = gzip.compress(tarred({"in.txt": text, "more/in.md": text}), mtime=0)
    damaged = bytearray(zipped({"a.txt": ENGLISH, "b.txt": SIMPLIFIED}))
    damaged[60] ^= 0xFF
    link = io.BytesIO()
    with tarfile.open(fileobj=link, mode="w") as archive:
        member = tarfile.TarInfo("link.txt")
        member.type, member.linkname = tarfile.SYMTYPE, "../../secret"
        archive.addfile(member)
    return {
        f"archives/{name}": found
        for name, found in {
            "a.zip": (inner, "text"),
            "a.tar": (tarred({"in.txt": text}), "text"),
            "a.tar.gz": (gzipped_tar, "text"),
            "a.tar.bz2": (bz2.compress(tarred({"in.txt": text})), "text"),
            "a.tar.xz": (lzma.compress(tarred({"in.txt": text})), "text"),
            "a.txt.gz": (gzip.compress(text, mtime=0), "text"),
            "a.txt.bz2": (bz2.compress(text), "text"),
            "nested.zip": (zipped({"inner.zip": inner, "b.txt": ENGLISH}), "text"),
            "deep.zip": (deep, "nested_too_deep"),
            "escape.zip": (
                zipped({"../out.txt": ENGLISH, "/root.txt": ENGLISH, "in.txt": ENGLISH}),
                "path_escape text",
            ),
            "link.tar": (link.getvalue(), "not_a_file"),
            "bomb.zip": (bomb, "archive_bomb"),
            "bomb.gz": (gzip.compress(bytes(30_000_000), mtime=0), "archive_bomb"),
            "cut.zip": (inner[:-30], "damaged_archive"),
            "cut.tar.gz": (gzipped_tar[:-60], "damaged_archive damaged_member text"),
            "damaged.zip": (bytes(damaged), "damaged_member damaged_archive text"),
            "empty.zip": (zipped({}), "empty"),
            "gbk_names.zip": (
                zipped({"in.txt": SIMPLIFIED}).replace(b"in.txt", "名字".encode("gbk") + b".t"),
                "text unknown_format",
            ),
            "locked.zip": (locked_zip(), "encrypted"),
        }.items()
    }


def locked_zip() -> bytes:
    """An archive whose member says that it has a password."""
    data = bytearray(zipped({"a.txt": ENGLISH}, zipfile.ZIP_STORED))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.index(mark) + offset
        data[at : at + 2] = struct.pack("<H", 1)
    return bytes(data)


TABLES = {"sound": sound, "charsets": charsets, "faults": faults, "archives": archives}


def write_torture(folder: Path) -> dict[str, str]:
    """Write all files; returns what each must end in, by its path in the source. A name in GBK bytes is read as such."""
    expected = write_tables(folder, TABLES)
    with open(os.fsencode(folder) + b"/faults/" + "文件名".encode("gbk") + b".txt", "wb") as file:
        file.write(SIMPLIFIED.encode() * 3)
    expected["faults/文件名.txt"] = "text"
    return expected


def write_tables(folder: Path, names: Iterable[str]) -> dict[str, str]:
    table = {path: row for name in names for path, row in TABLES[name]().items()}
    for name, (data, _) in table.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return {name: outcome for name, (_, outcome) in table.items()}


if __name__ == "__main__":
    target, *chosen = sys.argv[1:]
    written = write_tables(Path(target), chosen) if chosen else write_torture(Path(target))
    for path, outcome in sorted(written.items()):
        print(f"{path!r}: {outcome}")
