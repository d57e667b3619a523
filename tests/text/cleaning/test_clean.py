from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from domainlm.config.cleaning import CleanShards
from domainlm.text.characters import normalised
from domainlm.text.cleaning.clean import Cleaned, cleaned, rules_of, with_strings
from domainlm.text.cleaning.plain import Failure
from domainlm.text.document import Document

ENGLISH = "The lung is an organ of the chest. It takes up oxygen from the air and gives off carbon dioxide."
CHINESE = (
    "肺炎是由病原微生物等因素引起的肺部炎症，患者常有发热、咳嗽、咳痰，严重者呼吸困难，治疗以抗感染为主，需要卧床休息。"
)
DOCUMENT = Document("1", "s", "corpus", "p", "", 0, 1, "g", "[]", "T", ENGLISH, "{}", "l", "a", "s")


KEY = "AK" + "IA" + "ABCDEFGHIJKLMNOP"


def clean(text: str, role: str = "corpus", use: str = "", **section: Any) -> Cleaned | Failure:
    return cleaned(replace(DOCUMENT, text=text, role=role, use=use), rules_of(CleanShards.model_validate(section)))


def kept(text: str, role: str = "corpus", **section: Any) -> Cleaned:
    found = clean(text, role, **section)
    assert isinstance(found, Cleaned), found
    return found


def failure(text: str, role: str = "corpus", **section: Any) -> tuple[str, float | str, float | str]:
    found = clean(text, role, **section)
    assert isinstance(found, Failure), found
    return found.reason, found.value, found.threshold


@pytest.mark.parametrize(("text", "language", "share"), [(ENGLISH, "en", 0.0), (CHINESE, "zh", 1.0)])
def test_a_good_text_is_kept_as_it_is(text: str, language: str, share: float) -> None:
    found = kept(text)
    assert found == Cleaned(replace(DOCUMENT, text=text), language, share, {})


def test_with_its_defaults_the_section_counts_personal_data_and_keeps_it() -> None:
    text = f"{ENGLISH} Write to a@b.cn, b@b.cn or 114.215.30.7, key {'AK' + 'IA'}ABCDEFGHIJKLMNOP."
    found = kept(text)
    assert found.document.text == text
    assert found.counts == {"personal_data_email": 2, "personal_data_ip": 1, "secret_aws_key": 1}


def test_text_and_meta_are_normalised_alike() -> None:
    meta = json.dumps({"definition": "Cafe\u0301\u00a0au lait", "synonyms": ["a\u200bb"], "children_count": 2})
    read = replace(DOCUMENT, title="Spot\u00a0x", text="Spot\u00a0x\n\nCafe\u0301\u00a0au lait", meta=meta)
    found = with_strings(read, normalised)
    assert found.title == "Spot x"
    assert json.loads(found.meta) == {"definition": "Café au lait", "synonyms": ["ab"], "children_count": 2}
    assert json.loads(found.meta)["definition"] in found.text


def test_text_title_section_and_meta_go_the_same_way() -> None:
    broken = "caf\u00c3\u00a9"
    document = replace(
        DOCUMENT,
        title=f"{broken} ＭＲＩ a@b.cn",
        section=f"Contact / {broken} ＭＲＩ a@b.cn",
        text=f"{broken} ＭＲＩ a@b.cn\n\n{ENGLISH}",
        meta=json.dumps({"definition": "ＭＲＩ a@b.cn", "count": 13800138000}),
    )
    section = {"has_ascii_width": True, "personal_data": {"email": "mask"}}
    found = cleaned(document, rules_of(CleanShards.model_validate(section)))
    assert isinstance(found, Cleaned)
    assert found.document.title == "café MRI [email]"
    assert found.document.section == "Contact / café MRI [email]"
    assert found.document.text == f"café MRI [email]\n\n{ENGLISH}"
    assert json.loads(found.document.meta) == {"definition": "MRI [email]", "count": 13800138000}
    assert found.counts == {"repaired_lines": 1, "personal_data_email": 1}


@pytest.mark.parametrize("role", ["corpus", "instruction", "evaluation"])
def test_masks_are_for_every_role(role: str) -> None:
    secret = "AK" + "IA" + "ABCDEFGHIJKLMNOP"
    text = f"{ENGLISH} {secret} 联系电话13800138000"
    found = kept(text, role, secrets="mask", personal_data={"mobile": "mask"})
    assert found.document.text == f"{ENGLISH} [aws_key] 联系电话[mobile]"


@pytest.mark.parametrize(
    ("section", "reason", "value", "threshold"),
    [
        ({"languages": ["zh", "de"]}, "languages", "en", "de,zh"),
        ({"min_han_share": 0.5}, "min_han_share", 0.0, 0.5),
        ({"personal_data": {"email": "drop"}}, "personal_data_email", 2, 1),
        ({"secrets": "drop"}, "secret_aws_key", 1, 1),
        ({"word_lists": {"organs": {"words": ["lung", "chest"], "min_matches": 2}}}, "word_list_organs", 2, 2),
        ({"min_chars": 1000}, "min_chars", 153, 1000),
    ],
)
def test_rules_that_refuse(section: dict[str, Any], reason: str, value: float | str, threshold: float | str) -> None:
    text = f"{ENGLISH} Write to a@b.cn, b@b.cn, key {'AK' + 'IA'}ABCDEFGHIJKLMNOP."
    text += "." * (153 - len(text))
    assert failure(text, **section) == (reason, value, threshold)
    masks = {
        "personal_data_email": text.replace("a@b.cn", "[email]").replace("b@b.cn", "[email]"),
        "secret_aws_key": text.replace(KEY, "[aws_key]"),
        "word_list_organs": text.replace("lung", "[organs]").replace("chest", "[organs]"),
    }
    # an evaluation text stays to be sought in the others, without what drops them
    assert kept(text, "evaluation", **section).document.text == masks.get(reason, text)
    if reason in masks:
        assert failure(text, "instruction", **section) == (reason, value, threshold)
    else:
        assert kept(text, "instruction", **section).document.text == text


@pytest.mark.parametrize("role", ["corpus", "instruction", "evaluation"])
def test_a_text_of_nothing_is_of_no_use_in_any_role(role: str) -> None:
    assert failure(" \n\u200b ", role, min_chars=0) == ("empty", 0, 1)


def test_what_only_the_title_or_section_holds_drops_too() -> None:
    section = CleanShards.model_validate({"personal_data": {"email": "drop"}})
    for place in ("title", "section"):
        found = cleaned(replace(DOCUMENT, **{place: "Contact a@b.cn"}), rules_of(section))
        assert found == Failure("personal_data_email", 1, 1)


def test_too_few_words_of_a_list_change_no_evaluation_text() -> None:
    lists = {"organs": {"words": ["lung"], "min_matches": 2}}
    assert kept(ENGLISH, "evaluation", word_lists=lists).document.text == ENGLISH


@pytest.mark.parametrize("use", ["evaluation", "classifier,evaluation"])
def test_a_corpus_text_that_is_for_evaluation_only_is_not_filtered(use: str) -> None:
    assert kept("Yes.", use=use).document.text == "Yes."
    assert kept(ENGLISH, use=use, languages=["zh"]).document.text == ENGLISH
    assert kept(f"{ENGLISH} {KEY}", use=use, secrets="drop").document.text == f"{ENGLISH} [aws_key]"
    assert failure("Yes.", use="evaluation,pt")[0] == "min_chars"
    assert failure("Yes.", use="classifier")[0] == "min_chars"


def test_words_of_lists_are_sought_as_texts_are_written() -> None:
    text = "頭髮與皮膚的疾病需要由專科醫師診斷，治療方法取決於病因與嚴重程度，並應定期複診以評估療效與副作用，café的MRI檢查亦然。"
    for word in ("頭髮", "头发", "cafe\u0301", "ＭＲＩ", "醫\u200b師"):
        section = {"script": "simplified", "has_ascii_width": True, "word_lists": {"few": {"words": [word]}}}
        assert failure(text, **section) == ("word_list_few", 1, 1), word


def test_what_is_kept_hides_nothing_that_drops_or_is_masked() -> None:
    text = f"{ENGLISH} Write to jane@casino-of-fortune.net, 欢迎优惠促销活动."
    assert kept(text).counts == {"personal_data_email": 1}
    assert failure(text, word_lists={"games": {"words": ["casino"]}}) == ("word_list_games", 1, 1)
    lists = {"long": {"words": ["优惠促销"], "treatment": "keep"}, "short": {"words": ["优惠"], "treatment": "mask"}}
    found = kept(text, word_lists=lists)
    assert found.document.text == text.replace("优惠", "[short]")
    assert found.counts == {"personal_data_email": 1, "word_list_long": 1, "word_list_short": 1}
    # of masks that overlap, the secret or the personal data stays
    lists = {"games": {"words": ["casino"], "treatment": "mask"}}
    found = kept(text, word_lists=lists, personal_data={"email": "mask"})
    assert "[email], 欢迎" in found.document.text


def test_mix_of_languages() -> None:
    mixed = CHINESE[:30] + " randomised controlled trial"
    assert failure(mixed, max_han_share=0.2)[0] == "max_han_share"
    assert failure(mixed, min_han_share=0.8)[0] == "min_han_share"
    assert 0.4 < kept(mixed, min_han_share=0.2, max_han_share=0.8).han_share < 0.6


def test_word_lists_mask_and_count() -> None:
    lists = {
        "organs": {"words": ["lung"], "treatment": "mask"},
        "gases": {"words": ["oxygen", "carbon dioxide"], "treatment": "keep"},
        "few": {"words": ["air"], "min_matches": 2},
    }
    found = kept(ENGLISH, word_lists=lists)
    assert found.document.text == ENGLISH.replace("lung", "[organs]")
    assert found.counts == {"word_list_organs": 1, "word_list_gases": 2, "word_list_few": 1}


def test_the_roles_of_a_conversation_are_no_words_of_it() -> None:
    turns = [{"role": "user", "content": "Who is the user of it?"}, {"role": "assistant", "content": "The operator."}]
    meta = json.dumps({"messages": turns, "role": "user of a lung"})
    rules = rules_of(CleanShards.model_validate({"word_lists": {"who": {"words": ["user"], "treatment": "mask"}}}))
    found = cleaned(replace(DOCUMENT, role="instruction", text="Who is the user of it?", meta=meta), rules)
    assert isinstance(found, Cleaned)
    masked = json.loads(found.document.meta)
    assert [turn["role"] for turn in masked["messages"]] == ["user", "assistant"]
    assert masked["messages"][0]["content"] == "Who is the [who] of it?"
    assert masked["role"] == "[who] of a lung"


def test_the_turns_of_a_conversation_keep_their_layout() -> None:
    said = ["    for x in y:\n        print(x)", "def a():\n    pass\n\n\ndef b():\n    pass\n", "One  \ntwo."]
    turns = [
        each for text in said for each in ({"role": "user", "content": "Q?"}, {"role": "assistant", "content": text})
    ]
    changed = [{"role": "user", "content": "e\u0301\u00a0?\r\n"}, {"role": "assistant", "content": "\u200bA. "}]
    form = {"messages": [*turns, *changed], "messages_form": "word"}
    rules = rules_of(CleanShards.model_validate({"word_lists": {"who": {"words": ["word"], "treatment": "mask"}}}))
    found = cleaned(replace(DOCUMENT, role="instruction", text="Q?  \n\n\nA.", meta=json.dumps(form)), rules)
    assert isinstance(found, Cleaned)
    meta = json.loads(found.document.meta)
    assert meta["messages"][:-2] == turns
    assert [turn["content"] for turn in meta["messages"][-2:]] == ["\u00e9 ?\n", "A. "]
    assert meta["messages_form"] == "word"
    assert found.counts == {"rewritten_turns": 2}
    assert found.document.text == "Q?\n\nA."


def test_a_group_shows_no_more_than_its_title() -> None:
    mask = rules_of(CleanShards.model_validate({"personal_data": {"email": "mask"}}))
    groups = ["p#Mail to jane.doe@smith.net", "p#Mail to jane.roe@smith.net", "p#Mail to jane.doe@smith.net", "p#Mail"]
    found = [cleaned(replace(DOCUMENT, group=group), mask) for group in groups]
    masked = [each.document.group for each in found if isinstance(each, Cleaned)]
    assert masked[3] == "p#Mail"
    assert all(group.startswith("p#Mail to [email] (") for group in masked[:3])
    # what was one group is one, and what was two is two
    assert masked[0] == masked[2] != masked[1]
    assert kept(ENGLISH).document.group == "g"
    # the siblings of an evaluation text are known by its group, however many words of the list are in either
    lists = {"mail": {"words": ["mail"], "treatment": "drop", "min_matches": 3}}
    drop = rules_of(CleanShards.model_validate({"word_lists": lists}))
    both = [
        replace(DOCUMENT, group="p#Mail", text=f"{ENGLISH} {'mail ' * n}", use=use)
        for n, use in ((1, ""), (3, "evaluation"))
    ]
    shown = [each.document.group for each in (cleaned(one, drop) for one in both) if isinstance(each, Cleaned)]
    assert len(shown) == 2
    assert len(set(shown)) == 1


def test_repeated_lines_go_before_the_rules_that_count_them() -> None:
    text = f"{ENGLISH}\n" * 4
    assert failure(text)[0] == "max_repeated_line_share"
    found = kept(text, repeated_lines="drop")
    assert found.document.text == ENGLISH
    assert found.counts == {"repeated_lines": 3}
    assert kept(text, "instruction", repeated_lines="drop").document.text == text.strip()


def test_script_is_for_chinese_only() -> None:
    traditional = "頭髮與皮膚的疾病需要由專科醫師診斷，治療方法取決於病因與嚴重程度，並應定期複診以評估療效與副作用。"
    japanese = "頭髪と皮膚の病気は、専門の医師による診断が必要であり、治療は原因と重症度によって決まります。定期的な検査も受けます。"
    rules = rules_of(CleanShards(script="simplified"))
    found = cleaned(replace(DOCUMENT, text=traditional, section="頭髮 / 皮膚"), rules)
    assert isinstance(found, Cleaned)
    assert found.document.text.startswith("头发与皮肤的疾病")
    assert found.document.section == "头发 / 皮肤"
    assert kept(japanese, script="simplified").document.text == japanese


def test_quality_rules_are_asked_of_the_lines_that_stay() -> None:
    assert failure("Home | About | Contact\n" * 3, quality=["c4"], min_chars=0)[0] != "min_letter_share"


@pytest.mark.parametrize(
    "text",
    [f"caf\u00c3\u00a9 ＭＲＩ\u200b a@b.cn\r\n\n\n{ENGLISH}\n{ENGLISH}\n\n頭髮", CHINESE + "\n電話13800138000"],
)
def test_cleaning_twice_changes_nothing(text: str) -> None:
    section = {
        "has_ascii_width": True,
        "script": "simplified",
        "repeated_lines": "drop",
        "secrets": "mask",
        "personal_data": dict.fromkeys(("email", "phone", "ip", "chinese_id", "mobile", "bank_card"), "mask"),
    }
    once = kept(text, **section).document
    assert cleaned(once, rules_of(CleanShards.model_validate(section))).document == once  # type: ignore[union-attr]
