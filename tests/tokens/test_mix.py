from __future__ import annotations

import pytest

from domainlm.config.instruction import MixPart, SftTokens
from domainlm.tokens.mix import Mixed, left_out_of_mix, shares_of

CHATS = [Mixed("chats", "messages", 10) for _ in range(7)]
TASKS = [Mixed("tasks", "alpaca", 5) for _ in range(100)]
GENERAL = [Mixed("general", "messages", 4) for _ in range(50)]


def parts(*given: tuple[str | None, str | None, float]) -> list[MixPart]:
    named = [{"source": source, "form": form, "share": share} for source, form, share in given]
    return [
        MixPart.model_validate({name: value for name, value in part.items() if value is not None}) for part in named
    ]


def test_the_scarcest_part_is_taken_whole_and_the_others_by_their_shares() -> None:
    found = [*CHATS, *TASKS, *GENERAL]
    out = left_out_of_mix(found, parts(("chats", None, 0.7), (None, "alpaca", 0.2), ("gen*", None, 0.1)))
    kept = [each for at, each in enumerate(found) if at not in out]
    tokens = {name: sum(e.learned_tokens for e in kept if e.source == name) for name in ("chats", "tasks", "general")}
    assert tokens == {"chats": 70, "tasks": 20, "general": 8}
    assert set(out.values()) == {"over_mix"}


def test_what_is_in_no_part_is_left_out_and_the_first_part_counts() -> None:
    out = left_out_of_mix([*CHATS, *TASKS], parts(("chats", None, 0.5), ("chats", "messages", 0.5))[:1])
    assert out == dict.fromkeys(range(7, 107), "not_in_mix")
    assert left_out_of_mix([*CHATS, *TASKS], []) == {}


def test_a_part_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="part 2 matches no conversation"):
        left_out_of_mix(CHATS, parts(("chats", None, 0.5), ("chat", None, 0.5)))


def test_shares_add_up_to_one() -> None:
    with pytest.raises(ValueError, match=r"the shares of the mix add up to 0\.9; expected 1"):
        SftTokens.model_validate({"mix": [{"source": "a", "share": 0.7}, {"form": "alpaca", "share": 0.2}]})


def test_a_part_whose_share_has_no_room_is_an_error() -> None:
    long = [Mixed("long", "messages", 500)] * 3
    with pytest.raises(
        ValueError, match=r"part 2 comes to 70 learned tokens.*its shortest conversation, which has 500"
    ):
        left_out_of_mix([*CHATS, *long], parts(("chats", None, 0.5), ("long", None, 0.5)))


def test_the_shares_of_what_is_taken_are_counted() -> None:
    mix = parts(("chats", None, 0.7), (None, "alpaca", 0.3))
    found = [*CHATS, *TASKS, *GENERAL]
    assert shares_of(found, mix, left_out_of_mix(found, mix)) == [0.7, 0.3]
