from __future__ import annotations

import random

import pytest

from domainlm.text.repeats import duplicates
from domainlm.text.repeats.duplicates import NearDuplicates, RepeatFinder, bands_and_rows
from domainlm.text.repeats.evaluation_texts import EvaluationTexts
from domainlm.text.repeats.kinds import Repeat

WORDS = [f"word{number}" for number in range(100)]
LONG = " ".join(WORDS)
CHINESE = "肺炎是由病原微生物等因素引起的肺部炎症，患者常有发热、咳嗽、咳痰，严重者呼吸困难，治疗以抗感染为主。"


def finder(threshold: float = 0.8) -> RepeatFinder:
    return RepeatFinder(112, threshold, 5, EvaluationTexts(0.5, 5))


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8, 0.95])
def test_bands_find_nearly_all_pairs_at_the_threshold(threshold: float) -> None:
    bands, rows = bands_and_rows(112, threshold)
    assert bands * rows <= 112
    assert 1 - (1 - threshold**rows) ** bands >= 0.95


def test_exact_near_and_different() -> None:
    found = finder()
    assert found.repeated("a", LONG) is None
    assert found.repeated("b", LONG.replace(" ", "\n")) == Repeat("a", "exact", 1.0)
    near = found.repeated("c", LONG + " one more")
    assert near is not None
    assert (near.duplicate_of, near.kind) == ("a", "near")
    assert near.similarity >= 0.8
    assert found.repeated("d", " ".join(WORDS[:50] + [f"x{n}" for n in range(50)])) is None


def test_chinese_near_duplicates() -> None:
    found = finder()
    text = CHINESE + "老年人尤其危险，应及时就医。"
    assert found.repeated("a", text) is None
    near = found.repeated("b", text + "另见")
    assert near is not None
    assert near.kind == "near"
    assert found.repeated("c", CHINESE[::-1]) is None


@pytest.mark.parametrize(
    ("text", "word", "other"),
    [
        (
            "หอผู้ป่วยเปิดเวลาแปดนาฬิกา และปิดเวลาเก้านาฬิกาในตอนเย็น ผู้มาเยี่ยมรออยู่ในห้องโถงจนกว่าพยาบาลจะเรียก "
            "เด็กอายุต่ำกว่าหกปีเข้าได้พร้อมผู้ปกครองหนึ่งคนเท่านั้น ดอกไม้ต้องวางไว้นอกห้อง ปิดโทรศัพท์เมื่ออยู่ใกล้เครื่องมือแพทย์",
            "พยาบาล",
            "พนักงาน",
        ),
        (
            "ဆေးရုံသည်နံနက်ရှစ်နာရီတွင်ဖွင့်ပြီးညကိုးနာရီတွင်ပိတ်သည်။ ဧည့်သည်များသည်ဝန်ထမ်းခေါ်သည်အထိခန်းမတွင်စောင့်ရမည်။ "
            "ခြောက်နှစ်အောက်ကလေးများသည်မိဘတစ်ဦးနှင့်သာလာနိုင်သည်။ ပန်းများကိုအခန်းပြင်တွင်ထားရမည်။ စက်များအနီးတွင်ဖုန်းများကိုပိတ်ထားရမည်။",
            "ဝန်ထမ်း",
            "သူနာပြု",
        ),
    ],
)
def test_near_duplicates_in_scripts_without_spaces(text: str, word: str, other: str) -> None:
    found = finder()
    assert found.repeated("a", text) is None
    near = found.repeated("b", text.replace(word, other))
    assert near is not None
    assert (near.duplicate_of, near.kind) == ("a", "near")


def test_texts_without_words_are_compared_exactly_only() -> None:
    found = finder()
    assert found.repeated("a", "...") is None
    assert found.repeated("b", "!!!") is None
    assert found.repeated("c", "...") == Repeat("a", "exact", 1.0)


def test_what_repeats_a_text_that_is_kept_rather_than_it() -> None:
    evaluation = EvaluationTexts(0.5, 5)
    first = RepeatFinder(112, 0.8, 5, evaluation)
    second = RepeatFinder(112, 0.8, 5, evaluation, before=first)
    assert first.repeated("a", LONG) is None
    assert second.repeated("b", LONG.replace(" ", "\n")) == Repeat("a", "exact", 1.0)
    near = second.repeated("c", LONG + " one more")
    assert near is not None
    assert (near.duplicate_of, near.kind) == ("a", "near")
    other = " ".join(WORDS[::-1])
    assert second.repeated("d", other) is None
    assert second.repeated("e", other) == Repeat("d", "exact", 1.0)
    # the first is not compared with the second
    assert first.repeated("f", other) is None


@pytest.mark.parametrize("rows_compared", [3, 10_000])
def test_forms_are_compared_as_one_by_one(monkeypatch: pytest.MonkeyPatch, rows_compared: int) -> None:
    from datasketch import MinHash, MinHashLSH

    monkeypatch.setattr(duplicates, "ROWS_COMPARED", rows_compared)
    choice = random.Random(1)
    found = NearDuplicates(112, 0.8)
    index = MinHashLSH(num_perm=112, params=bands_and_rows(112, 0.8))
    kept, repeats = [], 0
    # more than there is room for at first; forms that are alike
    for _ in range(1300):
        form = set(range(60)) - set(choice.sample(range(60), choice.randrange(25)))
        hashed = frozenset({n * 7919 for n in form} | {choice.randrange(2**32) for _ in range(8)})
        signature = MinHash(num_perm=112, hashfunc=lambda value: value)
        signature.update_batch(sorted(hashed))
        like = [(signature.jaccard(kept[n]), -n) for n in index.query(signature)]
        similarity, position = max(like, default=(0.0, 0))
        expected = Repeat(str(-position), "near", round(similarity, 4)) if similarity >= 0.8 else None
        if expected is None:
            index.insert(len(kept), signature)
        assert found.repeated(str(len(kept)), hashed) == expected
        if expected is None:
            kept.append(signature)
        repeats += expected is not None
    assert len(kept) > 1000
    assert repeats > 50
