from __future__ import annotations

import pytest

from domainlm.evaluation.intervals import Drawing, by_document, paired_difference, ratio, rounded

DRAWING = Drawing(seed=17, label="answers", samples=500)


def test_figures_are_summed_by_document() -> None:
    assert by_document(["a", "b", "a"], [1.0, 2.0, 3.0], [1.0, 1.0, 2.0]) == {"a": (4.0, 3.0), "b": (2.0, 1.0)}


def test_a_ratio_is_of_sums_and_its_interval_holds_it() -> None:
    figures = {str(i): (float(i % 5), 1.0 + i % 3) for i in range(200)}
    found = ratio(figures, DRAWING)
    assert found.value == pytest.approx(sum(a for a, _ in figures.values()) / sum(b for _, b in figures.values()))
    assert found.low < found.value < found.high
    assert found.high - found.low < 0.5


def test_a_paired_interval_is_narrow_where_models_differ_by_a_constant() -> None:
    before = {str(i): (float(i % 7) * 10, 10.0) for i in range(100)}
    after = {name: (nll - 5.0, weight) for name, (nll, weight) in reversed(before.items())}
    found = paired_difference(before, after, DRAWING)
    assert (found.value, found.low, found.high) == pytest.approx((-0.5, -0.5, -0.5))


def test_equal_models_differ_by_nothing() -> None:
    figures = {str(i): (float(i), 2.0) for i in range(10)}
    assert paired_difference(figures, figures, DRAWING).high == 0.0


def test_draws_depend_on_seed_and_set_only(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = {str(i): (float(i % 5), 1.0) for i in range(50)}
    found = ratio(figures, DRAWING)
    monkeypatch.setattr("domainlm.evaluation.intervals.DRAWS_PER_BLOCK", 170)
    assert ratio(figures, DRAWING) == found
    assert ratio(figures, Drawing(18, "answers", 500)) != found


def test_one_document_gives_an_interval_of_no_width() -> None:
    found = ratio({"a": (3.0, 2.0)}, DRAWING)
    assert (found.low, found.high) == (1.5, 1.5)


def test_rounding_keeps_six_significant_digits() -> None:
    assert rounded(123.4567891) == 123.457
    assert rounded(0.000123456789) == 0.000123457
