"""The likelihood of a text in a language, in bits.

Fewer bits are likelier. In: a decoding of some bytes and the language that its character set is used for. Out: the
bits that encode it under a model of single characters. All decodings explain the same bytes, so the one of fewest
bits is the likeliest (maximum likelihood). charset-normalizer was not chosen: of 1,067 passages of 50 to 199
characters it reads 88 % correctly and this module 99 %, and it takes 2.5 times as long
(benchmarks/text/charset_accuracy.py).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from functools import cache

from domainlm.raw.common_characters import SIMPLIFIED, TRADITIONAL

# bits of classes of characters; by order of magnitude, chosen on the choosing half of the benchmark
RARE_BITS = 21.0
IMPOSSIBLE_BITS = 28.0
# of damaged UTF-8: a character that some language uses, any other one, a fault, a character that the end cuts
_WHOLE_BITS, _ODD_BITS, _FAULT_BITS, _CUT_BITS = 8.0, 14.0, 14.0, 4.0
# what a set must be better by, because files in it are rare in Chinese and English collections
_PRIOR_BITS = {"central": 12.0, "cyrillic": 8.0, "korean": 4.0, "japanese": 4.0}
_ASCII_BITS = {
    **{chr(code): 14.0 for code in range(0x20, 0x7F)},
    **dict.fromkeys("0123456789.,;:'\"()-/", 7.0),
    **dict.fromkeys("abcdefghijklmnopqrstuvwxyz", 4.8),
    **dict.fromkeys("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 7.5),
    **dict.fromkeys(" \n", 3.5),
    **dict.fromkeys("\t\r_<>=&#%*+?![]", 8.5),
}
_TRAILS = range(0xA1, 0xFF)
_CHINESE_MARKS = "，。、：；！？（）《》“”‘’—…·「」『』【】〈〉　％～①②③④⑤⑥⑦⑧⑨→×°〜－–―‰′″"
_PINYIN = "āáǎàēéěèīíǐìōóǒòūúǔùüê"
_FULL_WIDTH = "".join(chr(code) for code in range(0xFF01, 0xFF5F))
_HIRAGANA = "".join(chr(code) for code in range(0x3041, 0x3097))
_KATAKANA = "".join(chr(code) for code in range(0x30A1, 0x30FB)) + "ー・"
# commonest first
_COMMON_HIRAGANA = (
    "のにはをたがでてとしれさいるなかもりまこあすっうらくきよそどだつえわめみせけじん"
    "おちほやばずべひごふげびゃゆょろむへぎね"
)
_COMMON_KATAKANA = (
    "ンースルトイアラリクドシプッタジフレグマコロカテムサナデバキオメィウニブダパチェセヤエモボノポミハソケガ"
)
_HALF_WIDTH_KATAKANA = "".join(chr(code) for code in range(0xFF61, 0xFFA0))
_COMMON_JAPANESE = (
    "日一人年大十二本中長出三時行見月後前生五間上東四今金九入学高円子外八六下来気小七山話女北午百書先名川千水半男西電校語"
    "土木聞食車何南万毎白天母火右読友左休父雨用表示選択文字設定場合使変更場作成新動内部全方法的場所機能値対象指挿式開始終了"
    "保存行列数関索検項目画面入力追加削除他次同最初自分事物者手持思立言知現在実際問題明理化業員国会社発地市通信主要体度回"
)
_COMMON_KOREAN = (
    "이다는에의을를고가하지한도로기사은나서리그라아어만자해시들인수적대있것으일를여부정보스제전주상장성동경과안면원구용비유"
    "모우조무연공신구방문실소세관계중위않없되된할합니습때및또는각선택열행파개체입력표단추색크설명영"
)
_CYRILLIC = "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэф"
# the same bytes in every set of Windows
_WINDOWS_MARKS = "’‘“”„–—…«»°§·•®©™±µ†\xa0"
_WESTERN = "éäüöèàßçóíáêñôåûîâøúæãùïëœõìò£€½²³×¡¿ºª¢¼¾"
_CENTRAL = "ąćęłńśźżáčďéěíňóřšťúůýžäöüßőűăîșțâ€×"


def _ranked(characters: str, first: float, last: float) -> dict[str, float]:
    """Bits from `first` for the commonest to `last`.

    They are linear in the logarithm of the rank (Zipf's law).
    """
    unique = list(dict.fromkeys(characters))
    step = (last - first) / math.log(len(unique))
    return {character: first + step * math.log(rank) for rank, character in enumerate(unique, 1)}


def _characters(charset: str, leads: range, trails: Sequence[int]) -> str:
    """Characters of a part of a set, roughly commonest first.

    The makers of the sets put the common ones first.
    """
    pairs = (bytes((lead, trail)) for lead in leads for trail in trails)
    # of a pair that is no character the codec leaves its second byte, in ASCII
    return "".join(text for pair in pairs if not (text := pair.decode(charset, "ignore")).isascii())


@cache
def _bits_of(language: str) -> dict[str, float]:
    """Bits of each character that is not rare in a language."""
    found = dict(_ASCII_BITS)
    if language in ("simplified", "traditional"):
        chinese = SIMPLIFIED if language == "simplified" else TRADITIONAL
        # 3,755 characters of GB 2312, 5,401 of Big5 are level one
        common = _characters("gb2312", range(0xB0, 0xD8), _TRAILS)
        second = _characters("gb2312", range(0xD8, 0xF8), _TRAILS)
        if language == "traditional":
            common = _characters("big5", range(0xA4, 0xC7), (*range(0x40, 0x7F), *_TRAILS))
            second = ""
        found |= (
            dict.fromkeys(second, 17.5)
            | dict.fromkeys(common, 14.0)
            | dict.fromkeys(_FULL_WIDTH, 13.0)
            | dict.fromkeys(_KATAKANA + _HIRAGANA, 17.0)
        )
        found |= (
            dict.fromkeys(_PINYIN, 13.0)
            | dict.fromkeys(_CHINESE_MARKS, 8.0)
            | dict.fromkeys("，。、", 5.0)
            | _ranked(chinese, 6.0, 13.0)
        )
    elif language == "japanese":
        common = _characters("shift_jis", range(0x88, 0x99), (*range(0x40, 0x7F), *range(0x80, 0xFD)))
        found |= dict.fromkeys(common, 13.5) | dict.fromkeys(_FULL_WIDTH, 12.0) | _ranked(_COMMON_JAPANESE, 8.5, 11.5)
        found |= dict.fromkeys(_HALF_WIDTH_KATAKANA, 16.0) | dict.fromkeys(_CHINESE_MARKS, 8.5)
        found |= (
            dict.fromkeys("。、", 5.5)
            | dict.fromkeys(_KATAKANA + _HIRAGANA, 11.0)
            | _ranked(_COMMON_HIRAGANA, 4.0, 10.0)
        )
        found |= _ranked(_COMMON_KATAKANA, 5.0, 10.0)
    elif language == "korean":
        common = _characters("euc_kr", range(0xB0, 0xC9), _TRAILS)
        found |= dict.fromkeys(common, 11.5) | _ranked(_COMMON_KOREAN, 5.5, 9.0) | dict.fromkeys(_CHINESE_MARKS, 9.0)
    elif language == "cyrillic":
        found |= _ranked(_CYRILLIC, 3.5, 8.5) | _ranked(_CYRILLIC.upper(), 8.0, 12.0) | dict.fromkeys("ёЁ№", 9.0)
        found |= dict.fromkeys(_WINDOWS_MARKS, 8.0)
    else:
        common = _WESTERN if language == "western" else _CENTRAL
        found |= _ranked(common, 5.0, 10.0) | _ranked(common.replace("ß", "").upper(), 9.0, 13.0)
        found |= dict.fromkeys(_WINDOWS_MARKS, 8.0)
    return found


# a change of script inside of a word, a capital after a small letter, a sign between letters: what people rarely write and
# wrong decodings are full of
_WESTERN_BREAK = re.compile("[À-ÿĀ-ž](?=[À-ÿĀ-ž])")
_CYRILLIC_BREAK = re.compile("[A-Za-z][ ,.]{0,2}(?=[А-яЁё])|[А-яЁё][ ,.]{0,2}(?=[A-Za-z])")
_HAN = "\u3040-\u9fff\uac00-\ud7a3"
_WIDE_BREAK = re.compile(f"[A-Za-z](?=[{_HAN}])|[{_HAN}](?=[A-Za-z])")
# one Chinese character alone among Latin letters is mostly an accented letter and its neighbour
_ALONE = re.compile("(?<![\u2e80-\uffff])[\u3040-\u9fff\uac00-\ud7a3\U00020000-\U0003ffff](?![\u2e80-\uffff])")
# two ASCII letters are the same in every set: TeX and JavaScript say nothing
_CAPITAL_INSIDE = re.compile("[a-z](?=[А-ЯЁÀ-ÖØ-Þ])|[а-яёà-öø-ÿ](?=[A-ZА-ЯЁÀ-ÖØ-Þ])")
_SIGN_INSIDE = re.compile("(?<=[A-Za-zÀ-ÿа-яА-ЯёЁ])[\x80-\xa8\xaa-\xb4\xb6-\xbf\u2020-\u2039](?=[A-Za-zÀ-ÿа-яА-ЯёЁ])")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff\ue000-\uf8ff\ufff0-\uffff]")


def bits(text: str, language: str) -> float:
    """Bits of a text under the model of a language.

    The languages are simplified, traditional, japanese, korean, cyrillic, western, central.
    """
    known = _bits_of(language)
    total = sum(count * known.get(character, RARE_BITS) for character, count in Counter(text).items())
    total += IMPOSSIBLE_BITS * len(_CONTROL.findall(text))
    total += _PRIOR_BITS.get(language, 0.0)
    if language == "cyrillic":
        total += 8.0 * len(_CYRILLIC_BREAK.findall(text))
    elif language in ("western", "central"):
        total += 5.0 * len(_WESTERN_BREAK.findall(text))
    else:
        total += 6.0 * len(_WIDE_BREAK.findall(text)) + 5.0 * len(_ALONE.findall(text))
    if language in ("cyrillic", "western", "central"):
        total += 8.0 * (len(_CAPITAL_INSIDE.findall(text)) + len(_SIGN_INSIDE.findall(text)))
    return total


@cache
def _used_characters() -> frozenset[str]:
    """Characters that are not rare in some language."""
    languages = ("simplified", "traditional", "japanese", "korean", "cyrillic", "western", "central")
    return frozenset(character for language in languages for character in _bits_of(language))


def bits_as_utf8(text: str, faults: int, is_cut: bool) -> float:
    """Bits of damaged UTF-8, to compare with those of `bits`.

    faults: U+FFFD that stand for faults. No language is asked for: a whole character is the evidence.
    """
    used = _used_characters()
    total = faults * _FAULT_BITS + is_cut * _CUT_BITS
    for character, count in Counter(text).items():
        if character < "\x80":
            total += count * _ASCII_BITS.get(character, RARE_BITS)
        elif character != "\ufffd":
            total += count * (_WHOLE_BITS if character in used else _ODD_BITS)
    return total
