from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from domainlm.config.domain import DomainConfig
from domainlm.config.sources import PolicyRule
from domainlm.text.policy import ROLE_USES, Policy, Verdict, acting_role, rule_in_words


def rules(*values: dict[str, Any]) -> list[PolicyRule]:
    return [PolicyRule.model_validate(value) for value in values]


def labels(source: str = "web", role: str = "corpus", licence: str = "MIT", stance: str = "neutral") -> tuple[str, ...]:
    return source, role, licence, "media", stance


def test_without_rules_the_role_decides() -> None:
    expected = {
        "corpus": ("pt", "sft"),
        "replay": ("pt",),
        "evaluation": ("evaluation",),
        "instruction": ("sft",),
        "seed": ("classifier",),
    }
    assert {role: Policy([]).verdict(labels(role=role)) for role in ROLE_USES} == {
        role: Verdict(uses, 0) for role, uses in expected.items()
    }


def test_the_first_rule_that_matches_decides() -> None:
    policy = Policy(
        rules(
            {"where": {"stance": ["adversarial", "spam*"], "source": "web*"}, "use": ["evaluation", "classifier"]},
            {"where": {"licence": "secret"}, "use": []},
            {"where": {"source": "web"}, "use": ["sft", "pt"]},
        )
    )
    assert policy.verdict(labels(stance="adversarial")) == Verdict(("classifier", "evaluation"), 1)
    assert policy.verdict(labels(stance="spam of a kind", licence="secret")) == Verdict(("classifier", "evaluation"), 1)
    assert policy.verdict(labels(licence="secret")) == Verdict((), 2)
    assert policy.verdict(labels()) == Verdict(("pt", "sft"), 3)
    # case matters, and nothing is decided by what is not said
    assert policy.verdict(labels(source="other", stance="Adversarial")) is None


def test_a_use_that_the_role_cannot_have_is_not_granted() -> None:
    policy = Policy(rules({"use": ["pt", "sft", "evaluation", "classifier"]}))
    found = {role: getattr(policy.verdict(labels(role=role)), "uses", None) for role in ROLE_USES}
    assert found == {role: possible for role, (_, possible) in ROLE_USES.items()}


def test_a_rule_that_grants_a_role_nothing_that_it_can_have_is_no_verdict() -> None:
    policy = Policy(rules({"where": {"stance": "x"}, "use": []}, {"use": ["pt"]}))
    assert policy.verdict(labels(role="replay")) == Verdict(("pt",), 2)
    for role in ("instruction", "seed"):
        assert policy.verdict(labels(role=role)) is None
        assert policy.verdict(labels(role=role, stance="x")) == Verdict((), 1)
    said = policy.why_no_verdict(labels(role="instruction"))
    assert said == "rule 2: where anything: use pt, but role instruction can have only sft"
    assert Policy(rules({"where": {"stance": "x"}, "use": []})).why_no_verdict(labels()) == ""


@pytest.mark.parametrize(
    ("rule", "number"), [({"use": []}, 0), ({"use": ["pt", "sft"]}, 0), ({"use": ["classifier", "evaluation"]}, 1)]
)
def test_evaluation_text_stays_evaluation_text_whatever_the_rules_say(rule: dict[str, Any], number: int) -> None:
    """Kept out, its copies would no longer be taken out of the training text. No rule is said to have done what it did not."""
    assert Policy(rules(rule)).verdict(labels(role="evaluation")) == Verdict(("evaluation",), number)


def test_blanks_around_labels_and_patterns_do_not_count() -> None:
    policy = Policy(rules({"where": {"licence": [" MIT "], "stance": "neutral"}, "use": ["pt"]}))
    assert policy.verdict(labels(licence="MIT\t", stance=" neutral")) == Verdict(("pt",), 1)


def test_the_role_that_a_document_plays() -> None:
    assert acting_role("corpus", "evaluation,pt") == "corpus"
    assert acting_role("corpus", "sft") == "corpus"
    assert acting_role("corpus", "classifier,evaluation") == "evaluation"
    assert acting_role("corpus", "classifier") == "classifier"
    assert acting_role("replay", "evaluation") == "evaluation"
    assert acting_role("seed", "classifier") == "classifier"
    with pytest.raises(ValueError, match="use ''"):
        acting_role("corpus", "")


def test_a_rule_in_words() -> None:
    [one, two] = rules({"where": {"stance": "a", "licence": ["x", "y"]}, "use": []}, {"use": ["pt", "sft"]})
    assert rule_in_words(1, one) == "rule 1: where licence is x or y and stance is a: use nothing"
    assert rule_in_words(2, two) == "rule 2: where anything: use pt, sft"


def test_one_pattern_and_a_list_of_one_are_the_same_configuration() -> None:
    one = DomainConfig.model_validate({"policy": [{"where": {"stance": "x"}, "use": ["pt"]}]})
    assert one == DomainConfig.model_validate({"policy": [{"where": {"stance": ["x"]}, "use": ["pt"]}]})


@pytest.mark.parametrize(
    "rule",
    [
        *(
            {"where": {"stance": []}, "use": ["pt"]},
            {"where": {"path": "x"}, "use": []},
            {"use": ["train"]},
            {"where": {}},
        ),
        *({"where": {"role": "evalation"}, "use": []}, {"where": {"role": ["corpus", "base_model"]}, "use": []}),
        {"where": {"stance": " "}, "use": []},
    ],
)
def test_what_is_not_a_rule(rule: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PolicyRule.model_validate(rule)


def test_roles_may_be_patterns() -> None:
    [rule] = rules({"where": {"role": ["re*", "corpus"]}, "use": ["pt"]})
    assert rule.where.role == ["re*", "corpus"]
