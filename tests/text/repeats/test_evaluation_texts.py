from __future__ import annotations

import pytest

from domainlm.text.characters import words
from domainlm.text.repeats.duplicates import RepeatFinder
from domainlm.text.repeats.evaluation_texts import EvaluationTexts, is_telling, shingles
from domainlm.text.repeats.kinds import Repeat

WORDS = [f"word{number}" for number in range(100)]
LONG = " ".join(WORDS)
CHINESE = "肺炎是由病原微生物等因素引起的肺部炎症，患者常有发热、咳嗽、咳痰，严重者呼吸困难，治疗以抗感染为主。"


def finder(evaluation: dict[str, str]) -> RepeatFinder:
    texts = EvaluationTexts(0.5, 5)
    for name, text in evaluation.items():
        texts.add(name, text)
    return RepeatFinder(112, 0.8, 5, texts)


def test_shingles_are_datasketch_hashes_of_word_runs() -> None:
    from datasketch.hashfunc import sha1_hash32

    assert shingles(words("A b, c d e f"), 5) == {sha1_hash32(b"a b c d e"), sha1_hash32(b"b c d e f")}
    assert shingles(words("A b"), 5) == {sha1_hash32(b"a b")}
    assert shingles(words("。 ..."), 5) == frozenset()
    assert len(shingles(words("肺炎是由病原"), 5)) == 2


def test_evaluation_text_within_a_long_document_is_found() -> None:
    question = "which enzyme is measured in the cultured fibroblasts of a patient with this rare disease of collagen"
    found = finder(
        {"q1": "an entirely different question about hearts and their valves in older people", "q2": question}
    )
    repeat = found.repeated("a", f"{LONG} {question} {LONG}")
    assert repeat == Repeat("q2", "evaluation", 1.0)
    assert found.repeated("b", LONG) is None


def test_most_of_a_document_in_evaluation_texts() -> None:
    found = finder({"e": LONG})
    assert found.repeated("a", " ".join(WORDS[10:30])) == Repeat("e", "evaluation", 1.0)
    assert found.repeated("b", " ".join(WORDS[:10] + [f"x{n}" for n in range(40)])) is None
    # a short question shares its turns of phrase with anything
    short = finder({"e": "What is the most common cause?"})
    assert short.repeated("a", f"{LONG} what is the most common of {LONG}") is None


@pytest.mark.parametrize(
    ("question", "within", "another"),
    [
        (
            "Which valve closes first in systole?",
            "Notes.\n\nwhich VALVE closes first,  in systole: the mitral one",
            "which valve closes first in systoles; valve closes first in systole",
        ),
        ("ผู้มาเยี่ยมต้องรออยู่ที่ใด?", "คำถาม: ผู้มาเยี่ยมต้องรออยู่ที่ใด ตอบ: ห้องโถง", "ผู้มาเยี่ยมรออยู่ในห้องโถง ผู้มาเยี่ยมต้องจะรออยู่ที่ใด"),
        ("肺炎的常见病原体是？", "复习题：肺炎的常见病原体是（ ）", "肺炎的常见的病原体是；肺炎常见病原体是"),
    ],
)
def test_a_short_question_is_found_whole_within_a_long_document(question: str, within: str, another: str) -> None:
    found = finder({"q0": "an entirely different question about hearts and valves", "q1": question})
    assert found.repeated("a", f"{LONG} {within} {LONG}") == Repeat("q1", "evaluation", 1.0)
    assert found.repeated_evaluation(f"{LONG} {within} {LONG}") == Repeat("q1", "evaluation", 1.0)
    # word for word, and whole words
    assert found.repeated("b", f"{LONG} {another} {LONG}") is None


def test_a_turn_of_phrase_is_no_question() -> None:
    found = finder({"q1": "What is pneumonia?", "q2": "什么是肺炎？", "q3": "in the case of a"})
    text = f"{LONG} what is pneumonia 什么是肺炎 in the case of a {LONG}"
    assert found.repeated("a", text) is None
    lengths = [5, 6]
    assert [is_telling(WORDS[:n]) for n in lengths] == [False, True]
    assert [is_telling(words(CHINESE[:n])) for n in (7, 8)] == [False, True]


@pytest.mark.parametrize(
    ("question", "within", "another"),
    [
        (
            "ผู้มาเยี่ยมต้องรออยู่ที่ใดจนกว่าพยาบาลจะเรียกให้เข้าไปในหอผู้ป่วยของโรงพยาบาลนี้",
            "คำถามจากข้อสอบ: ผู้มาเยี่ยมต้องรออยู่ที่ใดจนกว่าพยาบาลจะเรียกให้เข้าไปในหอผู้ป่วยของโรงพยาบาลนี้ คำตอบคือห้องโถง",
            "ผู้ป่วยต้องอยู่ในหอผู้ป่วยจนกว่าแพทย์จะให้กลับ ผู้มาเยี่ยมเข้าไปได้เวลาสี่โมงเย็น",
        ),
        (
            "ဧည့်သည်များသည်သူနာပြုခေါ်သည်အထိဆေးရုံ၏မည်သည့်နေရာတွင်စောင့်ရမည်နည်း။",
            "မေးခွန်း: ဧည့်သည်များသည်သူနာပြုခေါ်သည်အထိဆေးရုံ၏မည်သည့်နေရာတွင်စောင့်ရမည်နည်း။ အဖြေမှာခန်းမဖြစ်သည်။",
            "ဆေးရုံသည်နံနက်ရှစ်နာရီတွင်ဖွင့်ပြီးညကိုးနာရီတွင်ပိတ်သည်။ ဧည့်သည်များသည်ဝန်ထမ်းခေါ်သည်အထိစောင့်ရမည်။",
        ),
    ],
)
def test_a_question_in_a_script_without_spaces_is_found(question: str, within: str, another: str) -> None:
    found = finder({"q0": "an entirely different question about hearts and valves", "q1": question})
    assert found.repeated("a", f"{LONG} {within}") == Repeat("q1", "evaluation", 1.0)
    assert found.repeated("b", f"{LONG} {another}") is None
