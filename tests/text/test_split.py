from __future__ import annotations

import pytest

from domainlm.text.split import Budget, Entry, all_links, general_held_out_groups, held_out_groups, linked_ids

SIZES = {f"group{number}": number % 7 + 1 for number in range(200)}
SHARES = {"test": 0.06, "validation": 0.04}


def test_shares_of_documents_in_whole_groups() -> None:
    found = held_out_groups(SIZES, SHARES, 17)
    total = sum(SIZES.values())
    for name, share in SHARES.items():
        held = sum(SIZES[group] for group, side in found.items() if side == name)
        assert held == int(total * share + 0.5)


def test_the_split_depends_on_the_seed_and_not_on_the_order() -> None:
    assert held_out_groups(dict(reversed(SIZES.items())), SHARES, 17) == held_out_groups(SIZES, SHARES, 17)
    assert held_out_groups(SIZES, SHARES, 18) != held_out_groups(SIZES, SHARES, 17)


def test_a_large_group_is_passed_over_and_every_part_gets_one() -> None:
    found = held_out_groups({"large": 1000, "b": 2, "c": 1}, SHARES, 17)
    assert set(found.values()) == {"test", "validation"}
    assert "large" not in found
    equal = held_out_groups({"a": 9, "b": 9, "c": 9}, SHARES, 17)
    assert sorted(equal.values()) == ["test", "validation"]


def test_a_part_always_remains_to_train_on() -> None:
    assert len(held_out_groups({"a": 1, "b": 1, "c": 1}, {"test": 1.0, "validation": 1.0}, 1)) == 2
    assert held_out_groups({"a": 1, "b": 1}, {"test": 0.5, "validation": 0.0}, 1).keys() < {"a", "b"}
    with pytest.raises(ValueError, match="2 groups"):
        held_out_groups({"a": 1, "b": 1}, SHARES, 1)


def test_general_articles() -> None:
    assert len(general_held_out_groups(SIZES, 0.3, 17)) == 60
    assert len(general_held_out_groups({"a": 1, "b": 1}, 0.01, 17)) == 1
    assert len(general_held_out_groups({"a": 1, "b": 1}, 1.0, 17)) == 1
    assert general_held_out_groups({"a": 1}, 0.3, 17) == frozenset()
    assert general_held_out_groups(SIZES, 0.0, 17) == frozenset()


def test_links() -> None:
    entries = [Entry("1", "s", "g", ("p", "q")), Entry("2", "s", "g", ("r",)), Entry("3", "s", "g", ())]
    assert all_links(entries[:1]) == {"p", "q"}
    assert linked_ids(entries, frozenset(("q", "x"))) == {"1"}


def test_budget_passes_over_what_does_not_fit_until_it_is_full() -> None:
    budget = Budget(100)
    assert [budget.takes(tokens) for tokens in (60, 50, 39)] == [True, False, True]
    assert budget.is_full
    assert not budget.takes(1)
    assert (Budget(0).is_full, Budget(None).is_full, Budget(None).takes(10**9)) == (True, False, True)
