from __future__ import annotations

from domainlm.text.reading.pieces import Section, cut_at_breaks, pieces_of_sections, titled_parts


def test_cuts_fall_at_paragraphs_then_sentences() -> None:
    text = "First paragraph here.\n\nThe second one follows. It is long.\n\nThird."
    parts = ["First paragraph here.", "The second one follows.", "It is long.\n\nThird."]
    assert list(cut_at_breaks(text, 30)) == parts
    assert list(cut_at_breaks("肺炎很常见。" * 4, 15)) == ["肺炎很常见。肺炎很常见。", "肺炎很常见。肺炎很常见。"]
    assert list(cut_at_breaks("x" * 25, 10)) == ["x" * 10, "x" * 10, "x" * 5]
    assert list(cut_at_breaks(" \n ", 10)) == []


def test_nothing_is_lost_and_nothing_is_too_long() -> None:
    text = "\n\n".join(f"Paragraph {number}. " + "word " * (number * 7 % 50) for number in range(60))
    parts = list(cut_at_breaks(text, 200))
    assert "".join(parts).replace(" ", "").replace("\n", "") == text.replace(" ", "").replace("\n", "")
    assert max(map(len, parts)) <= 200


def test_every_part_carries_its_title() -> None:
    parts = list(titled_parts("Lung", "One sentence. " * 20, 100))
    assert len(parts) > 2
    assert all(part.startswith("Lung\n\nOne") and len(part) <= 100 for part in parts)
    assert list(titled_parts("Lung", "  \n", 100)) == []


def test_sections_of_the_same_name_are_told_apart() -> None:
    sections = [Section(("A", "Examples"), "Examples", f"body {i}", i, i + 1) for i in range(2)]
    assert [(p.section, p.part) for p in pieces_of_sections(sections, 100)] == [
        ("A > Examples", "0"),
        ("A > Examples", "1"),
    ]
