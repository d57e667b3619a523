from __future__ import annotations

import pytest

from domainlm.config.cleaning import CleanShards
from domainlm.text.cleaning.plain import plain_failure, repeated_line_share, top_word_share, weighted_length

CODE = """# Retry

The client tries again three times and waits longer each time, as the code below shows in full.

```c
int get(struct q *q)
{
    if (q == NULL) {
        return -1;
    }
    for (int i = 0; i < 3; i++) {
        if (try_once(q)) {
            return 0;
        }
    }
    return -1;
}

int put(struct q *q)
{
    if (q == NULL) {
        return -1;
    }
    for (int i = 0; i < 3; i++) {
        if (push_once(q)) {
            return 0;
        }
    }
    return -1;
}
```"""
WARD = """  {
    "ward": "north",
    "beds": {
      "free": 0,
      "all": 20
    },
    "open": true
  },
"""
JSON = f"The server answers with the list of wards, each with its free beds.\n\n[\n{WARD * 4}]"
MATRIX = (
    "The matrix has zeros everywhere but on the diagonal, as is seen here.\n\n```\n" + "[0, 0, 0, 1],\n" * 6 + "```"
)
PROSE = "The lung is an organ of the chest. It takes up oxygen from the air and gives off carbon dioxide."


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (PROSE, None),
        ("肺炎是由病原微生物等因素引起的肺部炎症，患者常有发热、咳嗽、咳痰，严重者呼吸困难，治疗以抗感染为主。", None),
        ("", "empty"),
        ("Too short.", "min_chars"),
        ("word " * 50_000, "max_chars"),
        ("1.234 5.678 9.012 | 3.456 7.890 | 1.234 5.678 x", "min_letter_share"),
        ("Accept all cookies now.\n" * 6, "max_repeated_line_share"),
        ("buy " * 15 + "these five other words here and there", "max_top_word_share"),
        ("肺" * 60, "max_top_word_share"),
        # what is code stands again, and is not said again
        (CODE, None),
        (CODE.replace("```c", "").replace("```", ""), None),
        ("\n".join(line.strip() for line in CODE.split("\n") if "```" not in line), None),
        (JSON, None),
        ("\n".join(line.strip() for line in JSON.split("\n")), None),
        (WARD * 4, None),
        (MATRIX, None),
        (CODE + "\n\nAccept all cookies now." * 6, "max_repeated_line_share"),
        ("    Accept all cookies now\n" * 6, "max_repeated_line_share"),
        (f"```\n{'1.234 5.678 ' * 20}\n```", "min_letter_share"),
        # a character that is a syllable or a word is not one letter
        ("肺炎是肺部的炎症，患者常有发热、咳嗽和胸痛。", None),
        ("肺は胸にある臓器で、空気から酸素を取り込みます。", None),
        ("폐는 가슴에 있는 기관이며 공기에서 산소를 받아들입니다.", None),
        ("肺炎是肺部的炎症。", "min_chars"),
        ("Пневмония: воспаление лёгких.", "min_chars"),
    ],
)
def test_rules(text: str, reason: str | None) -> None:
    failure = plain_failure(text, CleanShards())
    assert (failure.reason if failure else None) == reason
    if failure is not None and reason != "empty":
        assert failure.threshold == getattr(CleanShards(), failure.reason)


def test_shares() -> None:
    assert repeated_line_share(["a", "b", "a", "a"]) == 0.5
    assert weighted_length("ab 肺ぱ폐ﾊ。") == 12
    assert top_word_share("one two three") == 0.0
    assert top_word_share("The the " * 10) == 1.0


def test_a_text_of_code_alone_has_the_reason_of_the_whole() -> None:
    failure = plain_failure("{\n" * 30, CleanShards(min_chars=0))
    assert failure is not None
    assert (failure.reason, failure.value) == ("min_letter_share", 0.0)
    failure = plain_failure("肺炎。", CleanShards())
    assert failure is not None
    assert (failure.reason, failure.value, failure.threshold) == ("min_chars", 5, 40)
