from __future__ import annotations

import pytest
from material.counted import Counted
from material.record_files import read, row_of, texts

from domainlm.config.text import Documents
from domainlm.text.reading.pieces import Piece, Rejection
from domainlm.text.reading.tables import read_records


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_csv_with_quotes_line_ends_and_offsets(mark: str) -> None:
    data = f'\ufefftitle{mark}text\r\nA{mark}"one{mark}\n""two"""\r\n\r\nB{mark}three\r\n'.encode()
    first, second = read(data, "csv")
    assert (first.title, first.text) == ("A", f'A\n\none{mark}\n"two"')
    assert (second.text, second.section, second.group) == ("B\n\nthree", "row 000000003", "a#B")
    assert data[first.start : first.end].decode() == f'A{mark}"one{mark}\n""two"""\r\n'
    assert data[second.start : second.end] == f"B{mark}three\r\n".encode()


def test_tsv_keeps_commas() -> None:
    assert texts(read(b"text\tn\na, b, c\t1\n", "tsv")) == ["a, b, c"]


def test_a_bad_row_is_one_rejection() -> None:
    data = b"title,text\nA,one\nB,\nC,two,extra\nD,\x98\x81\xff\nE\nF,three\n" + b"G,a\rb\n" + b"H,four\n"
    found = read(data, "csv")
    assert texts(found) == [
        "A\n\none",
        "no_text",
        "invalid_record",
        "undecodable",
        "no_text",
        "F\n\nthree",
        "invalid_record",
        "H\n\nfour",
    ]


def rows_with(row: bytes, at: int, mark: bytes = b'"') -> bytes:
    """Ten rows, one of them this one."""
    rows = [row if n == at else b"T%d,%stext %d%s\n" % (n, mark, n, mark) for n in range(1, 11)]
    return b"title,text\n" + b"".join(rows)


@pytest.mark.parametrize(
    "row",
    [
        b'T3,"open\n',
        b'T3,"open\r\n',
        b'"T3,open\n',
        b'T3,"open ""quoted"" on\n',
        b'T3,"quotes "within" one,"open\n',
    ],
)
@pytest.mark.parametrize("mark", [b'"', b""])
def test_a_quote_that_is_not_closed_costs_its_row_alone(row: bytes, mark: bytes) -> None:
    data = rows_with(row, 3, mark)
    found = read(data, "csv")
    (rejection,) = [each for each in found if isinstance(each, Rejection)]
    said = "row 3, line 4: a quoted field that does not end; the lines after it are read as separate rows"
    assert (rejection.reason, rejection.detail) == ("unclosed_quote", said)
    others = [n for n in range(1, 11) if n != 3]
    good = [each for each in found if isinstance(each, Piece)]
    assert [each.text for each in good] == [f"T{n}\n\ntext {n}" for n in others]
    assert [each.section for each in good] == [f"row {n:09d}" for n in others]
    assert [data[each.start : each.end] for each in good] == [b"T%d,%stext %d%s\n" % (n, mark, n, mark) for n in others]


def test_the_last_row_may_be_cut_within_quotes() -> None:
    found = read(rows_with(b'T10,"cut of', 10), "csv")
    assert len(found) == 10
    assert (found[-1].reason, found[-1].detail[:15]) == ("unclosed_quote", "row 10, line 11")


def test_long_cells_stay_whole() -> None:
    cell = "\n".join(f'line {n}, ""quoted"", "",""' for n in range(3000))
    for last in ("\n", ""):
        (piece,) = read(f'text\n"{cell}"{last}'.encode(), "csv", max_section_chars=10**6)
        assert piece.text == cell.replace('""', '"')


def test_a_quoted_field_goes_as_far_as_a_file_that_is_read_whole() -> None:
    lines = [b"title,text", b'A,"open', *[b"B,%d" % n + b"x" * 90 for n in range(20)], b"C,last"]
    found = read(b"\n".join(lines) + b"\n", "csv", max_file_bytes=500)
    assert [each.reason for each in found if isinstance(each, Rejection)] == ["unclosed_quote"]
    assert len(found) == 22
    assert texts(read(b"\n".join([*lines[:5], b'"']), "csv", max_file_bytes=500))[0].startswith("A\n\nopen\nB,0x")


@pytest.mark.parametrize(
    "row",
    [
        b'A,"open\n',
        b'A,"open ""on\n',
        b'A,a 3" pipe,"\n',
        b'A,"x"y"\n',
        b'"\n',
        b'a","b\n',
        b'A,"open\n' + b"no quote\n" * 30,
        b'A,"",x\n' * 30 + b'A,"open\n',
    ],
)
def test_stray_quotes_in_every_line_are_read_in_linear_time(row: bytes) -> None:
    data = b"a,b,c,text\n" + row * 500
    file = Counted(data)
    assert list(read_records(row_of(data, "csv"), file, Documents()))
    # where it begins, once to guess the character set; all of it, and as much again; one byte for each place gone back to
    assert file.count < 65_536 + 2.2 * len(data)


def test_lines_that_are_not_read_again_are_named() -> None:
    # each record ends at the next line's quote, and begins another field there
    found = read(b"title,text\n" + b'a","b\n' * 100, "csv")
    assert [each.reason for each in found] == ["unclosed_quote"] * 2
    said = "a quoted field that does not end; the lines after it are read as separate rows"
    assert found[0].detail == f"row 1, line 2: {said}"
    assert found[1].detail == "row 2, line 3: a quoted field that does not end; lines up to 101 are lost with it"


@pytest.mark.parametrize("charset", ["utf-16", "gb18030", "big5"])
def test_csv_in_other_sets(charset: str) -> None:
    text = "肺炎是由病原微生物等因素引起的肺部炎症，患者常有發熱、咳嗽等症狀，需要及時治療。"
    text = text if charset != "gb18030" else text.replace("發熱", "发热").replace("狀", "状").replace("時", "时")
    text = (
        text
        if charset != "big5"
        else "肺炎是由病原微生物等因素引起的肺部炎症，患者常有發熱、咳嗽等症狀，需要及時治療。"
    )
    data = ("title,text\n" + f"短,{text}\n" * 30).encode(charset)
    found = read(data, "csv")
    assert {(each.title, each.text) for each in found} == {("短", f"短\n\n{text}")}
    assert (found[0].start >= 0) == (charset != "utf-16")


def test_a_heading_that_is_no_csv_found_by_fuzzing() -> None:
    assert [each.reason for each in read(b"title\rtext\nA\n", "csv")] == ["malformed"]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"sep=;\r\nid;text\r\n1;one, two\r\n", ["one, two"]),
        (b'\xef\xbb\xbf"sep=|"\nid|text\n1|one\n', ["one"]),
        (b"sep=\t\nid\ttext\n1\tone\n", ["one"]),
        (b"\xef\xbb\xbf\r\n \r\nid,text\r\n1,one\r\n", ["one"]),
        (b'"Record\nnumber",text,"By; whom; and; when"\n1,one,A\n2,"two\nlines",B\n', ["one", "two\nlines"]),
        (b'"a;b;c;d",text\n1,one\n', ["one"]),
        (b"id,text\n1,one,\n2,two,,\n", ["one", "two"]),
        (b"id,text,\n1,one,\n", ["one"]),
        (b"text,id,text\none,1,\n,2,two\nthree,3,four\n", ["one", "two", "three"]),
        (
            rb"id,text" + b"\n" + rb'1,"He said \"no\", and left"' + b"\n" + rb'2,"so \"it\""' + b"\n3,three\n",
            ['He said "no", and left', 'so "it"', "three"],
        ),
        # sound rows of RFC 4180, whose cells end in a backslash and a quote before a line end
        (b'id,text\n1,"say \\""\nnext line of the cell"\n2,other\n', ['say \\"\nnext line of the cell', "other"]),
        (b'id,text\n1,"say \\""\nnext, line"\n2,other\n', ['say \\"\nnext, line', "other"]),
        (b'id,text\n1,"say \\""\n' + b"a, b\n" * 30 + b'c"\n2,two\n', ['say \\"\n' + "a, b\n" * 30 + "c", "two"]),
        (b'id,text\n1,"so \\""\n2,"two"\n3,"it \\""\n', ['so "', "two", 'it "']),
        (b'id,text\n1,"so \\""\n2,"a\nb"\n3,three\n', ['so "', "a\nb", "three"]),
        (b'id,size",text\n1,5",first\n2,6",second\n', ["first", "second"]),
        (b'id,size",text\n1,5,first\n2,"6",second\n', ["first", "second"]),
        (b'sep=:\nid:"by\nwhom":text\n1:x:first\n', ["first"]),
        (b'id;12" pipe;text\n1;5;first\n', ["first"]),
        (b'id,"by\n5"" or 6""",text\n1,x,first\n', ["first"]),
        (b'id,text\n1,"C:\\folder\\"\n2,two\n', ["C:\\folder\\", "two"]),
        (b"id,text\r1,one\r2,two\r", ["one", "two"]),
        ('"id","text"\r\n"1","one"\r\n"2","zwei für"\r\n'.encode("utf-16-le"), ["one", "zwei für"]),
        ("id,text\n1,one\n".encode("utf-16-be"), ["one"]),
    ],
)
def test_headings_and_rows_as_programs_write_them(data: bytes, expected: list[str]) -> None:
    assert texts(read(data, "csv")) == expected


def test_a_heading_whose_quote_does_not_end_is_its_first_line() -> None:
    found = read(b'id,text,"a\n1,one\n2,two\n' + b"3,three\n" * 30, "csv")
    assert texts(found)[:2] == ["one", "two"]
