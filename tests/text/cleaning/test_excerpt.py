from __future__ import annotations

from domainlm.text.cleaning.excerpt import masked_excerpt


def test_an_excerpt_is_cut_and_holds_no_personal_data() -> None:
    text = "Write to jane.doe@smith-and-daughters.net. " + "Plain words follow. " * 20
    found = masked_excerpt(text)
    assert len(found) == 160
    assert "jane.doe" not in found
    assert found.startswith("Write to [email]. Plain words follow.")


def test_what_lies_across_the_end_is_masked_too() -> None:
    text = "x" * 140 + " jane.doe@a.rather.long.name-of-a-firm.net and more"
    assert "jane.doe" not in masked_excerpt(text)
