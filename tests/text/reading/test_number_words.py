from __future__ import annotations

import pytest

from domainlm.text.reading.number_words import in_format


@pytest.mark.parametrize(
    ("number", "name", "expected"),
    [
        (7, "decimal", "7"),
        (7, "decimalZero", "07"),
        (28, "lowerLetter", "bb"),
        (4, "upperLetter", "D"),
        (1994, "lowerRoman", "mcmxciv"),
        (9, "upperRoman", "IX"),
        (10, "chineseCounting", "十"),
        (12, "chineseCountingThousand", "十二"),
        (20, "japaneseCounting", "二十"),
        (105, "chineseCountingThousand", "一百零五"),
        (110, "chineseCountingThousand", "一百一十"),
        (1001, "chineseCountingThousand", "一千零一"),
        (10_005, "chineseCountingThousand", "一万零五"),
        (12_000, "taiwaneseCountingThousand", "一萬二千"),
        (12, "chineseLegalSimplified", "壹拾贰"),
        (12, "ideographDigital", "一二"),
        (3, "decimalEnclosedCircleChinese", "③"),
        (21, "decimalEnclosedCircle", "21"),
        (2, "ideographTraditional", "乙"),
        (3, "ganada", "다"),
        (2, "russianLower", "б"),
        (3, "hebrew1", "ג"),
        (11, "ordinal", "11th"),
        (22, "ordinal", "22nd"),
        (5, "no such format", "5"),
        (0, "lowerRoman", "0"),
    ],
)
def test_numbers_in_the_formats_of_lists(number: int, name: str, expected: str) -> None:
    assert in_format(number, name) == expected
