from __future__ import annotations

from domainlm.text.cleaning.spans import Span, masked, without_overlaps


def test_of_overlapping_spans_the_first_given_stays() -> None:
    spans = [Span("a", 5, 9), Span("b", 8, 12), Span("c", 0, 5), Span("d", 9, 10), Span("e", 0, 20)]
    assert without_overlaps(spans) == [Span("c", 0, 5), Span("a", 5, 9), Span("d", 9, 10)]
    assert without_overlaps([]) == []


def test_masks_name_what_was_there() -> None:
    assert (
        masked("write to a@b.cn or b@c.cn", [Span("email", 9, 15), Span("email", 19, 25)])
        == "write to [email] or [email]"
    )
    assert masked("text", []) == "text"
