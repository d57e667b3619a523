from __future__ import annotations

import pytest

from domainlm.config.cleaning import CleanShards
from domainlm.text.cleaning.chinese import measures
from domainlm.text.cleaning.parts import Parts
from domainlm.text.cleaning.quality import quality_failures

PROSE = (
    "这座小城坐落在两条河的交汇处，老街上的铺子大多还保持着几十年前的样子。清晨的时候，卖豆腐的人推着车从桥上走过，"
    "他的吆喝声能传到对岸。我们在这里住了三个月，慢慢地也就熟悉了每一家店的味道和每一位邻居的脾气。"
)
TRADITIONAL = "這座小城坐落在兩條河的交匯處，老街上的鋪子大多還保持著幾十年前的樣子。我們在這裡住了三個月，也就熟悉了。"
ADVERT = "全场清仓大甩卖！！！原价999现价只要99！！！数量有限，先到先得！！！点击下方链接立即抢购！！！全国包邮！！！"
KEYWORDS = "装修公司，装修公司排名，装修公司报价，客厅装修效果图，卧室装修效果图，厨房装修效果图，办公室装修，旧房翻新，免费量房"
SPECKS = "这座^小城丨坐落~在两_条河的`交汇处，老街=上的铺|子大多还^保持着~几十年前的_样子。"


def failed(text: str, language: str = "zh") -> list[str]:
    return [found.reason for found in quality_failures(text, language, CleanShards(quality=["chinese"]))]


@pytest.mark.parametrize("text", [PROSE, TRADITIONAL])
def test_prose_passes(text: str) -> None:
    assert failed(text) == []


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (ADVERT, "chinese_max_exclamation_share"),
        (KEYWORDS, "chinese_min_function_share"),
        (SPECKS, "chinese_max_symbol_share"),
        (" ".join(PROSE), "chinese_max_spaced_share"),
        ("首页\n新闻\n体育\n财经\n我的邮箱\n在线客服", "chinese_max_spaced_share"),
    ],
)
def test_what_is_no_prose_fails(text: str, rule: str) -> None:
    assert rule in failed(text)


def test_lines_that_end_are_not_spaced() -> None:
    assert dict(measures(Parts(PROSE.replace("。", "。\n"))))["chinese_max_spaced_share"] == 0
    # a heading is one break
    assert failed(f"老街的早晨\n{PROSE}") == []


WRAPPED = """肺炎是由病原微生物等因素引起的肺部炎症。患者常有发
热、咳嗽和胸痛，病情重的人还会感到呼吸困难。医生根
据化验的结果选择抗生素，并且要求病人多喝水、卧床休
息。病人如果三天以后仍然没有好转，就应当再去医院检
查一次。老人和孩子更容易得这种病，所以家里人要特别
注意他们的体温和精神状态，不要等到病情加重了才去看
医生。预防的办法是勤洗手、多通风，天气变冷的时候及
时加衣服，并且按照医生的建议接种疫苗。"""
HEADLINES = (
    "科学家发现新的古生物化石并且命名了它们\n多地的政策支持老旧小区的改造工程\n今年夏粮的收购工作进展顺利\n"
    "全国中小学生的心理健康状况调查报告在北京正式发布\n夜间经济成了城市消费的新亮点引起关注\n明天起有部分列车的时刻将会调整\n"
)


@pytest.mark.parametrize("between", ["\n", " ", "\u3000"])
def test_lines_broken_at_one_width_are_not_spaced(between: str) -> None:
    assert failed(WRAPPED.replace("\n", between)) == []
    assert dict(measures(Parts(WRAPPED.replace("\n", between))))["chinese_max_spaced_share"] == 0


def test_headlines_and_lines_with_spaces_in_them_are_spaced() -> None:
    assert failed(HEADLINES) == ["chinese_max_spaced_share"]
    assert failed(WRAPPED.replace("的", " 的 ")) == ["chinese_max_spaced_share"]


def test_other_languages_are_left_alone() -> None:
    assert list(measures(Parts("Sale!!! Sale!!! Sale!!!"))) == []
    assert failed("Sale!!! Sale!!! Sale!!!", "en") == []
    # kanji alone would lack the function words of Chinese
    assert failed("日本語能力試験実施会場案内", "ja") == []
