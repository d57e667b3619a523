from __future__ import annotations

import pytest

from domainlm.text.cleaning.conventions import CHINESE, ENGLISH
from domainlm.text.cleaning.fineweb import measures
from domainlm.text.cleaning.parts import Parts


def test_measures() -> None:
    text = "The lung is an organ of the chest.\n\nMenu\n\nMenu\nThe heart is another organ in it"
    found = dict(measures(Parts(text), ENGLISH))
    assert found["fineweb_min_line_end_share"] == pytest.approx(1 / 4)
    assert found["fineweb_max_short_line_share"] == pytest.approx(2 / 4)
    assert found["fineweb_max_duplicate_line_char_share"] == pytest.approx(4 / (34 + 4 + 4 + 32))
    assert found["fineweb_max_lines_per_word"] == pytest.approx(3 / 18)


def test_measures_of_chinese() -> None:
    text = "他说：“肺是胸腔里的一个器官。”\n首页\n心脏也在胸腔里，它推动全身的血液！"
    found = dict(measures(Parts(text), CHINESE))
    assert found["fineweb_min_line_end_share"] == pytest.approx(2 / 3)
    assert found["fineweb_max_short_line_share"] == pytest.approx(1 / 3)
    # quotation marks end no line of FineWeb's English
    assert dict(measures(Parts('He said: "No."'), ENGLISH))["fineweb_min_line_end_share"] == 0
