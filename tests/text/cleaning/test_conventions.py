from __future__ import annotations

import re
from pathlib import Path

from domainlm.text.cleaning.conventions import CHINESE, ENGLISH

PAGE = Path(__file__).resolve().parents[3] / "docs/reference/quality-rules.md"


def test_the_reference_page_has_every_threshold() -> None:
    # below are the presets' own
    page = PAGE.read_text(encoding="utf-8").partition("\n## Presets\n")[0]
    rows = re.findall(r"^\| `(\w+)` \|.*\| ([^ ]+) \| ([^ ]+) \|$", page, flags=re.MULTILINE)
    expected = [
        (rule, f"{ENGLISH.thresholds[rule]:.6g}" if rule in ENGLISH.thresholds else "–", f"{limit:.6g}")
        for rule, limit in CHINESE.thresholds.items()
    ]
    assert sorted(rows) == sorted(expected)


def test_the_reference_page_has_every_length() -> None:
    text = PAGE.read_text(encoding="utf-8")
    lengths = {int(words): int(chars) for words, chars in re.findall(r"(?:of|runs? of) (\d+) words \(zh: (\d+)", text)}
    assert lengths == dict(CHINESE.grams)
    assert f"at most {ENGLISH.short_line_chars} characters (zh: {CHINESE.short_line_chars})" in text
    assert dict(ENGLISH.grams) == {size: size for size in CHINESE.grams}
