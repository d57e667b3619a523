"""Secrets in text: private keys, access keys and tokens.

They are recognised by the forms that their issuers publish. In: text. Out: spans, each of one kind. Most forms begin
with a fixed mark ("AKIA", "ghp_", "-----BEGIN"): a text without any such mark costs one search per mark, and no
pattern runs. Values assigned to a name ("password = ...") count only if they look random, by Shannon entropy, since
documentation is full of `password="secret"`. The forms follow the rules of gitleaks and detect-secrets, chosen for
those with a distinctive mark; no network is asked whether a key works.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

from domainlm.text.cleaning.spans import Span, without_overlaps

# bits per character: English words have 2 to 3.3, random letters and digits of this length 3.6 and more
MIN_ENTROPY_BITS = 3.5

# not \b: to Python a Han character is of a word, and which characters are depends on its version
_START, _END = "(?<![0-9A-Za-z_])", "(?![0-9A-Za-z_])"
# lines of a private key: base64, mixed as words and paths are not; what the quotation and the source code of one put between
_KEY_LETTER, _BETWEEN_LINES = "[0-9A-Za-z+/]", r"""(?>(?:[\s>"',+]|\\[nr])*)"""
_KEY_MIXED = "(?=[A-Za-z+/]{0,99}[0-9])(?=[0-9A-Z+/]{0,99}[a-z])(?=[0-9a-z+/]{0,99}[A-Z])"
# what else may stand before a line, if that is so long: headers (400 characters), then the marks of a comment or line break (20)
_BEFORE_LINE = "(?:[^-]|-(?!----)){0,%d}?" + f"(?<!{_KEY_LETTER})(?={_KEY_LETTER}{{40}}){_KEY_MIXED}"
# kind: marks, one of which the text must hold; the pattern, whose group 1 is the secret where it has one
_FORMS = tuple(
    (kind, marks, re.compile(pattern))
    for kind, marks, pattern in (
        (
            "private_key",
            ("PRIVATE KEY",),
            r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY(?: BLOCK)?-----"
            r"(?:(?:[^-]|-(?!----)){0,20000}-----END [A-Z ]{0,20}PRIVATE KEY(?: BLOCK)?-----"
            # without an end: lines of the key, at once or after headers; prose that names the mark has no such line
            rf"|(?:{_BETWEEN_LINES}{_KEY_MIXED}|{_BEFORE_LINE % 400})"
            rf"(?>(?:{_KEY_LETTER}{{16,}}+={{0,2}}(?:{_BEFORE_LINE % 20}|{_BETWEEN_LINES}))+)=?{_KEY_LETTER}*+={{0,2}}|)",
        ),
        ("aws_key", ("AKIA", "ASIA", "ABIA", "ACCA"), _START + r"(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}" + _END),
        ("github_token", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), _START + r"gh[pousr]_[0-9A-Za-z]{36,255}" + _END),
        ("github_token", ("github_pat_",), _START + r"github_pat_[0-9A-Za-z_]{60,255}" + _END),
        ("gitlab_token", ("glpat-",), _START + r"glpat-[0-9A-Za-z_\-]{20,64}" + _END),
        ("slack_token", ("xox",), _START + r"xox[abeoprs]-[0-9A-Za-z\-]{10,255}" + _END),
        ("slack_webhook", ("hooks.slack.com",), r"hooks\.slack\.com/services/T[0-9A-Z]{6,}/B[0-9A-Z]{6,}/[0-9A-Za-z]{20,}"),
        ("google_key", ("AIza",), _START + r"AIza[0-9A-Za-z_\-]{35}" + _END),
        ("stripe_key", ("k_live_", "k_test_"), _START + r"[rs]k_(?:live|test)_[0-9A-Za-z]{16,255}" + _END),
        ("model_api_key", ("sk-",), _START + r"sk-(?:ant-|proj-|or-)?(?=[A-Za-z_\-]{0,255}[0-9])[0-9A-Za-z_\-]{32,255}" + _END),
        ("hub_token", ("hf_",), _START + r"hf_[A-Za-z0-9]{34,64}" + _END),
        ("npm_token", ("npm_",), _START + r"npm_[0-9A-Za-z]{36}" + _END),
        ("pypi_token", ("pypi-AgE",), _START + r"pypi-AgE[0-9A-Za-z_\-]{50,}"),
        ("sendgrid_key", ("SG.",), _START + r"SG\.[0-9A-Za-z_\-]{22}\.[0-9A-Za-z_\-]{43}" + _END),
        ("telegram_token", (":AA",), _START + r"[0-9]{8,10}:AA[0-9A-Za-z_\-]{33}" + _END),
        ("alibaba_key", ("LTAI",), _START + r"LTAI[0-9A-Za-z]{12,26}" + _END),
        ("tencent_key", ("AKID",), _START + r"AKID[0-9A-Za-z]{32}" + _END),
        ("json_web_token", ("eyJ",), _START + r"eyJ[0-9A-Za-z_\-]{10,1000}+\.eyJ[0-9A-Za-z_\-]{10,8000}+\.[0-9A-Za-z_\-]{10,}"),
        ("url_password", ("://",), _START + r"[a-z][a-z0-9+.\-]{1,20}://[^\s/:@<>\[\]{}$]{1,64}:([^\s/@<>\[\]{}$*]{3,128})@[0-9A-Za-z]"),
    )
)  # fmt: skip
_ASSIGNED = re.compile(
    r"(?:password|passwd|secret|token|api_?key|access_?key|private_?key)[\"']?\s{0,3}(?:[:=]|=>|:=)\s{0,3}[\"']?([0-9A-Za-z_\-+/=.]{16,255})(?![0-9A-Za-z(])",
    re.IGNORECASE,
)
_ASSIGNED_MARKS = ("assword", "ASSWORD", "asswd", "ASSWD", "ecret", "ECRET", "oken", "OKEN", "key", "Key", "KEY")
_NOT_A_PASSWORD = frozenset(("password", "passwd", "pass", "pwd", "secret", "xxx", "pw"))


def entropy_bits(text: str) -> float:
    """Shannon entropy of the characters, in bits per character."""
    return -sum(count / len(text) * math.log2(count / len(text)) for count in Counter(text).values())


def is_random(value: str) -> bool:
    """Letters and digits mixed, as words, paths and dotted names are not."""
    mixed = re.search("[0-9]", value) and re.search("[A-Za-z]", value)
    return bool(mixed) and value.count(".") < 2 and entropy_bits(value) >= MIN_ENTROPY_BITS


def _found(text: str) -> Iterator[Span]:
    for kind, marks, pattern in _FORMS:
        if any(mark in text for mark in marks):
            for match in pattern.finditer(text):
                group = 1 if pattern.groups else 0
                if kind != "url_password" or match[1].lower() not in _NOT_A_PASSWORD:
                    yield Span(kind, *match.span(group))
    if any(mark in text for mark in _ASSIGNED_MARKS):
        for match in _ASSIGNED.finditer(text):
            if is_random(match[1]):
                yield Span("assigned_secret", *match.span(1))


def secrets_in(text: str) -> list[Span]:
    """Spans in order, without overlaps."""
    return without_overlaps(_found(text))
