"""The language of a text, and its share of Han characters.

In: text. Out: an ISO 639-1 code, or "und" if it is not detected; the share, among the letters. Chinese, Japanese and
Korean are detected by their scripts, which is right for texts of a few characters and costs nothing; the rest by
py3langid, whose model is in its wheel. On short texts it is right more often than fastText's small model and ten
times as fast as lingua (benchmarks/text/language_identification.py). It reads two windows of a long text, because a
document is in one language or is not worth more time.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from domainlm.text.characters import letter_count

UNDETERMINED = "und"
WINDOW_CHARS = 300
MIN_LETTERS = 4
# of the letters: Chinese prose about software has about a third of its letters in Latin words and commands, and one
# character says as much as three letters
MIN_CJK_SHARE = 0.2
# of Han and kana together: Japanese prose has 0.3 to 0.7, Chinese prose that quotes a Japanese name far less
MIN_KANA_SHARE = 0.1
MIN_CONFIDENCE = 0.2

_HAN = re.compile("[\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")
_KANA = re.compile("[\u3041-\u3096\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff]+")
_HANGUL = re.compile("[\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3]+")
# addresses and numbers are in no language
_NO_LANGUAGE = re.compile(r"https?://[\x21-\x7e]+|[\x21-\x7e]+@[\x21-\x7e]+|[0-9]+")
# function words that tell English from every other language of Latin script: of 15,500 other texts of the benchmark none
# has this many; seven of ten English ones do, and are spared the model, which takes most of the time
_ENGLISH = re.compile(" (?:the|of|and|with|which|this|from|are|that|by|is|for|to|not)(?= )")
MIN_ENGLISH_WORDS = 4
MIN_ENGLISH_SHARE = 0.1


def _is_english(text: str) -> bool:
    found = _ENGLISH.findall(text)
    return len(found) >= max(MIN_ENGLISH_WORDS, MIN_ENGLISH_SHARE * (text.count(" ") + 1)) and len(set(found)) > 1


def _count(characters: re.Pattern[str], text: str) -> int:
    return 0 if text.isascii() else len(text) - len(characters.sub("", text))


def han_share(text: str) -> float:
    """Share of Han characters among the letters; 0 without letters."""
    han = _count(_HAN, text)
    return han / letter_count(text) if han else 0.0


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True, min_confidence=MIN_CONFIDENCE)


def language_of(text: str) -> str:
    """ISO 639-1 code of the text's main language, or "und".

    It is "und" if the text is too short or too unclear.
    """
    if len(text) > 2 * WINDOW_CHARS:
        middle = len(text) // 2
        text = f"{text[:WINDOW_CHARS]}\n{text[middle : middle + WINDOW_CHARS]}"
    text = _NO_LANGUAGE.sub(" ", text)
    letters = letter_count(text)
    han, kana, hangul = (_count(script, text) for script in (_HAN, _KANA, _HANGUL))
    if (cjk := han + kana + hangul) and cjk >= MIN_CJK_SHARE * letters:
        if hangul >= cjk / 2:
            return "ko"
        return "ja" if kana >= MIN_KANA_SHARE * (han + kana) else "zh"
    if letters < MIN_LETTERS:
        return UNDETERMINED
    if _is_english(text):
        return "en"
    found = str(_identifier().classify(text)[0])
    # it knows languages without a code of two letters too, which it names by mistake more often than not
    return found if len(found) == 2 else UNDETERMINED
