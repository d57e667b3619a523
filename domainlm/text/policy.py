"""The policy: the uses that labels permit.

In: a document's role and labels, the rules of the domain's `policy:`. Out: its uses (`pt`, `sft`, `evaluation`,
`classifier`), none if the rules reject it, or no verdict, which stops the build; and the role that follows from its
uses. The first rule that matches decides. A document without a verdict is an error and gets no default, because a
label that nobody thought of must not slip into training. A use that a role cannot have (instruction data in PT) is
never granted. Text of role evaluation is for evaluation whatever the rules say: if it were rejected, the training
text would no longer be searched for it. A rule decides about it only if it grants evaluation too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from domainlm.config.sources import PolicyRule
from domainlm.raw.label_names import LABELS

# what a rule's `where` may name, in the order in which labels are given to the policy
WHERE = ("source", "role", *LABELS)
# what a role can be used for; first, what it is used for without a policy
ROLE_USES = {
    "corpus": (("pt", "sft"), ("classifier", "evaluation", "pt", "sft")),
    "replay": (("pt",), ("classifier", "evaluation", "pt")),
    "evaluation": (("evaluation",), ("evaluation",)),
    "instruction": (("sft",), ("sft",)),
    "seed": (("classifier",), ("classifier",)),
}
# uses by which a document plays its own role
OWN_USES = {"corpus": ("pt", "sft"), "replay": ("pt",), "instruction": ("sft",)}

Combination = tuple[str, ...]


@dataclass(frozen=True)
class Verdict:
    """The policy's decision on a document.

    uses: sorted; empty: rejected. rule: number of the rule that decided, from 1; 0: the role alone.
    """

    uses: tuple[str, ...]
    rule: int

    @property
    def use(self) -> str:
        return ",".join(self.uses)


class Policy:
    """The rules, and their verdict on each combination of labels."""

    def __init__(self, rules: Sequence[PolicyRule]) -> None:
        self._rules = tuple(rules)
        self._said: dict[Combination, Verdict | None] = {}

    def verdict(self, labels: Combination) -> Verdict | None:
        """The verdict on labels in the order of WHERE, or None.

        None if no rule matches, or the matching rule grants only uses that the role cannot have.
        """
        if labels not in self._said:
            self._said[labels] = self._decided(labels)
        return self._said[labels]

    def _decided(self, labels: Combination) -> Verdict | None:
        role = labels[WHERE.index("role")]
        by_default, possible = ROLE_USES[role]
        number = self._number(labels)
        asked = set(self._rules[number - 1].use) if number else set()
        if not self._rules or role == "evaluation":
            return Verdict(by_default, number if "evaluation" in asked else 0)
        if not number:
            return None
        granted = tuple(sorted(asked & set(possible)))
        return Verdict(granted, number) if granted or not asked else None

    def _number(self, labels: Combination) -> int:
        """Of the first rule that matches, from 1; 0: none does."""
        return next((number for number, rule in enumerate(self._rules, 1) if is_matched(rule, labels)), 0)

    def why_no_verdict(self, labels: Combination) -> str:
        """The matching rule, and the uses that the role can have.

        It is empty if no rule matches.
        """
        number = self._number(labels)
        if not number:
            return ""
        role = labels[WHERE.index("role")]
        possible = ", ".join(ROLE_USES[role][1])
        return f"{rule_in_words(number, self._rules[number - 1])}, but role {role} can have only {possible}"


def is_matched(rule: PolicyRule, labels: Combination) -> bool:
    """Whether each label that a rule names matches one of its patterns.

    Whitespace around a label does not count.
    """
    for name, value in zip(WHERE, labels, strict=True):
        patterns = getattr(rule.where, name)
        if patterns is not None and not any(fnmatchcase(value.strip(), pattern) for pattern in patterns):
            return False
    return True


def rule_in_words(number: int, rule: PolicyRule) -> str:
    """rule 2: where stance is adversarial: use evaluation"""
    named = {name: getattr(rule.where, name) for name in WHERE}
    where = " and ".join(f"{name} is {' or '.join(found)}" for name, found in named.items() if found is not None)
    return f"rule {number}: where {where or 'anything'}: use {', '.join(rule.use) or 'nothing'}"


def acting_role(role: str, use: str) -> str:
    """The part of a document in the stages after the policy.

    It is corpus, replay, evaluation, instruction, or classifier. Text that may be trained on plays its own role; text
    that may only evaluate is evaluation text whatever its role. Raises ValueError for a document that has no uses
    yet.
    """
    uses = use.split(",")
    if any(own in uses for own in OWN_USES.get(role, ())):
        return role
    for name in ("evaluation", "classifier"):
        if name in uses:
            return name
    raise ValueError(f"a document of role {role} has use {use!r}; expected one of pt, sft, evaluation, classifier")
