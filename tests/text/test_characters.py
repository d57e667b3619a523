from __future__ import annotations

import time
import unicodedata
from random import Random

import pytest

from domainlm.raw.surrogates import without_surrogates
from domainlm.text.characters import (
    _MARKS_OF_UNICODE_15,
    cjk_count,
    composed,
    has_letter,
    is_of_unspaced_script,
    is_word,
    letter_share,
    mean_cjk_run,
    normalised,
    single_line,
    stream_safe,
    tokens,
    words,
)


def test_words_are_lower_case_and_cjk_characters_stand_alone() -> None:
    assert words("The HPO-term, 2nd ed.") == ["the", "hpo", "term", "2nd", "ed"]
    assert words("肺炎是MRI可见的。") == ["肺", "炎", "是", "mri", "可", "见", "的"]
    assert words("Größe naïve Ωμέγα") == ["größe", "naïve", "ωμέγα"]
    assert words(" \u3000。，—\n") == []


@pytest.mark.parametrize(
    ("text", "syllables"),
    [
        ("หอผู้ป่วยเปิดเวลาแปดนาฬิกา ๒๕๖๓ CT", "หอ ผู้ ป่วย เปิด เว ลา แปด นา ฬิ กา ๒๕๖๓ ct"),
        ("ຂ້ອຍຢາກໄປໂຮງໝໍ ໑໒", "ຂ້ອຍ ຢາກ ໄປ ໂຮງ ໝໍ ໑໒"),
        ("ဆေးရုံသည်နံနက်ရှစ်နာရီတွင်ဖွင့်ပြီး။ ၁၂", "ဆေး ရုံ သည် နံ နက် ရှစ် နာ ရီ တွင် ဖွင့် ပြီး ၁၂"),
        ("စက္ကူ", "စ က္ကူ"),
        ("ភាសាខ្មែរ។ ២០២០", "ភា សា ខ្មែរ ២០២០"),
        ("བོད་ཡིག་གི་སྐད། ༡༢", "བོད ཡིག གི སྐད ༡༢"),
        ("ๆ ์", "ๆ ์"),
    ],
)
def test_scripts_without_spaces_are_cut_at_syllables(text: str, syllables: str) -> None:
    assert words(text) == syllables.split(" ")
    assert [is_of_unspaced_script(word) for word in words(text)] == [word != "ct" for word in words(text)]


def test_syllables_do_not_depend_on_what_stands_far_before() -> None:
    phrase = "ผู้มาเยี่ยมรออยู่ในห้องโถง"
    for before in ("", "โรค", "กขค", "แพทย์และ", "A"):
        assert words(before + phrase)[-8:] == words(phrase)[-8:]


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("abc", 1.0),
        ("a1", 0.5),
        ("肺炎，。", 0.5),
        ("", 0.0),
        (" \n\u3000", 0.0),
        ("1234", 0.0),
        ("a\U0001f600", 0.5),
        ("naïve 汉字 12%", 0.7),
    ],
)
def test_letter_share_counts_visible_characters(text: str, share: float) -> None:
    assert letter_share(text) == share


def test_normalised_has_one_kind_of_line_end_and_space() -> None:
    assert normalised("\ufeffA\r\nB\rC\u2028D\u2029E") == "A\nB\nC\nD\n\nE"
    assert normalised("a\u00a0b\u2009c \t\n\n\n\nd\x00\u200b ") == "a b c\n\nd"
    assert normalised("e\u0301") == "\u00e9"


def test_normalised_keeps_what_carries_meaning() -> None:
    for text in ("　　肺炎是一种疾病。", "\tindented code", "می\u200cخواهم", "x\ny"):
        assert normalised(text) == text.strip("\t")


@pytest.mark.parametrize("text", ["a\u200b\u0301b", "\u2000\u2001x", " \n\n\n a \r\n", "\ud800x", "\u0344\u1100\u1161"])
def test_normalised_is_idempotent_and_storable(text: str) -> None:
    once = normalised(text)
    assert normalised(once) == once
    once.encode("utf-8")


def test_marks_of_unicode_15_keep_their_place_on_every_python() -> None:
    # Python 3.11 does not know U+1E08F as a combining mark, later versions would put it after U+0323
    assert composed("a\U0001e08f\u0323e\u0301") == "a\U0001e08f\u0323\u00e9"
    assert composed("no marks: e\u0301") == unicodedata.normalize("NFC", "no marks: e\u0301")


def test_titles_and_surrogates() -> None:
    assert single_line("  a\n b\u3000c ") == "a b c"
    assert without_surrogates("a\ud83d") == "a\ufffd"


def test_long_runs_of_blanks_take_linear_time() -> None:
    # a quadratic regular expression would take minutes here
    assert normalised("a" + " \t" * 500_000 + "b\n" + " " * 1_000_000).endswith("b")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It's 1,000.5 of np.array_2d.", ["It", "'s", "1,000.5", "of", "np.array_2d", "."]),
        ("end.Next, 3,b", ["end", ".", "Next", ",", "3", ",", "b"]),
        ("well-known... (a)", ["well", "-", "known", "...", "(", "a", ")"]),
        ("用apt装……好！", ["用", "apt", "装", "……", "好", "！"]),
        ("don’t 'sun' \n\u3000x", ["don", "’t", "'", "sun", "'", "x"]),
    ],
)
def test_tokens(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected
    assert [token for token in expected if is_word(token)] == [t for t in expected if t[-1].isalnum()]


def test_letters_of_tokens() -> None:
    assert [has_letter(token) for token in ("a", "肺", "2d", "1,000", "!", "'s", "é")] == [
        True,
        True,
        True,
        False,
        False,
        True,
        True,
    ]


def test_runs_of_cjk() -> None:
    assert cjk_count("用 apt 安装，3 个") == 4
    # 用 apt 安装 | 个
    assert mean_cjk_run("用 apt 安装，3 个") == 2.0
    assert mean_cjk_run("肺 炎 是") == 1.0
    assert mean_cjk_run("no") == 0.0


# combining marks, alone and made of several, and what is put together with the letter before
MARKS = ["\u0301\u0323", "\u0344", "\u0f73", "\u0f71\u0f72", "\U0001d165\U0001d16e", "\u0e38\u0e48", "\u05b0\u0591"]


def longest_run(text: str) -> int:
    """Combining marks in a row once everything is taken apart."""
    longest = run = 0
    for character in unicodedata.normalize("NFD", text):
        run = run + 1 if unicodedata.combining(character) else 0
        longest = max(longest, run)
    return longest


@pytest.mark.parametrize("marks", MARKS, ids=ascii)
def test_runs_of_combining_marks_take_linear_time(marks: str) -> None:
    began = time.process_time()
    found = normalised("a" + marks * 100_000)
    assert time.process_time() - began < 5
    assert longest_run(found) == 30
    assert normalised(found) == found
    # nothing but joiners was put in
    shorter = "a" + marks * 40
    assert unicodedata.normalize("NFD", stream_safe(shorter).replace("\u034f", "")) == unicodedata.normalize(
        "NFD", shorter
    )


def test_every_mark_of_every_script_is_counted() -> None:
    for code in range(0x300, 0x1F000):
        character = chr(code)
        if unicodedata.combining(character) and not _MARKS_OF_UNICODE_15.match(character):
            assert "\u034f" in stream_safe(character * 31), hex(code)


def test_text_without_long_runs_is_as_before() -> None:
    chance = Random(5)
    parts = ["ế", "\u0327", "\u0301", "\u0344", "\u0f73", "ᾂ", "\u0345", "a", " ", "ภาษาไทย", "हिन्दी", "가", "中"]
    for _ in range(2000):
        text = "".join(chance.choice(parts) * chance.choice([1, 1, 1, 5, 29, 31]) for _ in range(6))
        found = composed(text)
        assert composed(found) == found
        assert longest_run(found) <= 30
        if longest_run(text) <= 30:
            assert found == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The ﬁrst oﬃcer of the ﬂeet ﬀ ﬄ ﬅ ﬆ, ĳs", "The first officer of the fleet ff ffl st st, ijs"),
        ("⽅便⽤户 ⻚⻓⻢⺠", "方便用户 页长马民"),
        ("ﺍﻟﺴﻼﻡ ﻋﻠﻴﻜﻢ", "السلام عليكم"),
        ("ﷲ ﻷ ﹶ ﹷ", "الله لأ \u064e \u064e"),
        ("︵甲︶︐︒「︙", "（甲），。「…"),
        ("\ufb1d\ufb4f \ufb13", "\u05d9\u05b4אל մն"),
        # signs and numbers stay what they are
        ("10⁵ ½ x² ™ ① Ⅳ ㎎ ﷺ ＡＢ， ｶﾞ Ω", "10⁵ ½ x² ™ ① Ⅳ ㎎ ﷺ ＡＢ， ｶﾞ Ω"),
    ],
)
def test_forms_of_print_are_letters(text: str, expected: str) -> None:
    assert normalised(text) == unicodedata.normalize("NFC", expected)
    assert normalised(normalised(text)) == normalised(text)


def test_a_zero_width_space_stays_between_words_of_unspaced_scripts_only() -> None:
    khmer = "ខ្ញុំ\u200bសោកស្តាយ"
    assert normalised(f"{khmer}\u200b") == khmer
    assert normalised("ខ\u200b\u200bស") == "ខ\u200bស"
    assert normalised("a\u200bb 肺\u200b炎") == "ab 肺炎"
