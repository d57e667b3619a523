from __future__ import annotations

import random
import string
import time

import pytest

from domainlm.text.cleaning.secrets import entropy_bits, is_random, secrets_in
from domainlm.text.cleaning.spans import Span

DICE = random.Random(5)


def made(mark: str, count: int, letters: str = string.ascii_letters + string.digits) -> str:
    """Made here, so that no scanner takes this file for a leak."""
    return mark + "".join(DICE.choices(letters, k=count)) + "7a"


UPPER = string.ascii_uppercase + string.digits
SECRETS = {
    "aws_key": "AK" + "IA" + "".join(DICE.choices(UPPER, k=16)),
    "github_token": made("gh" + "p_", 36),
    "gitlab_token": made("gl" + "pat-", 20),
    "slack_token": made("xo" + "xb-", 40),
    "google_key": made("AI" + "za", 33),
    "stripe_key": made("sk" + "_live_", 24),
    "model_api_key": made("sk" + "-proj-", 48),
    "hub_token": made("hf" + "_", 34),
    "npm_token": made("np" + "m_", 34),
    "pypi_token": made("py" + "pi-AgEIcHlwaS5vcmc", 60),
    "sendgrid_key": made("S" + "G.", 20) + "." + made("", 41),
    "telegram_token": "123456789" + ":AA" + made("", 31),
    "alibaba_key": made("LT" + "AI", 18),
    "tencent_key": made("AK" + "ID", 30),
    "json_web_token": made("ey" + "J", 20) + "." + made("ey" + "J", 20) + "." + made("", 30),
    "assigned_secret": made("", 30),
}


@pytest.mark.parametrize("kind", SECRETS)
def test_forms(kind: str) -> None:
    value = SECRETS[kind]
    text = f'在配置中写入 api_key = "{value}"\n结束' if kind == "assigned_secret" else f"use {value}, please"
    assert [(span.kind, text[span.start : span.end]) for span in secrets_in(text)] == [(kind, value)]


@pytest.mark.parametrize("kind", [kind for kind in SECRETS if kind != "assigned_secret"])
def test_chinese_has_no_space_before_a_secret(kind: str) -> None:
    value = SECRETS[kind]
    text = f"密钥{value}已失效"
    assert [(span.kind, text[span.start : span.end]) for span in secrets_in(text)] == [(kind, value)]


def test_private_keys_with_and_without_an_end() -> None:
    body = "\n".join(made("", 60) for _ in range(5))
    whole = f"-----BEGIN RSA PRIVATE{' '}KEY-----\n{body}\n-----END RSA PRIVATE{' '}KEY-----"
    (span,) = secrets_in(f"before {whole} after")
    assert (span.kind, span.start, span.end) == ("private_key", 7, 7 + len(whole))
    cut = whole[: whole.index("-----END")]
    (span,) = secrets_in(f"before {cut}")
    assert (span.start, span.end) == (7, 7 + len(cut))


@pytest.mark.parametrize(
    "head",
    ["Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,0A1B\n\n", "Version: GnuPG v2.0 (GNU/Linux)\nComment: a-b, c\n\n"],
)
@pytest.mark.parametrize("join", ["\n", "\r\n", "\\n", "\n> ", " ", '",\n  "', "\n# ", "<br/>\n", "\\\\n", "\n12: "])
def test_a_private_key_with_headers_and_without_an_end(head: str, join: str) -> None:
    lines = [made("", 64) for _ in range(25)] + ["a1B="]
    key = f"-----BEGIN RSA PRIVATE{' '}KEY-----\n{head}" + "\n".join(lines)
    text = key.replace("\n", join)
    (span,) = secrets_in(f"before {text}")
    assert (span.kind, span.start) == ("private_key", 7)
    assert not any(line in f"before {text}"[span.end :] for line in lines[:-1])
    (span,) = secrets_in(f"{text}\n\nThen, in a text, prose goes on.")
    assert span.end <= len(text) + len("\n\nThen")


def test_a_line_of_a_private_key_that_is_only_spoken_of() -> None:
    text = f"It begins with '-----BEGIN PRIVATE{' '}KEY-----', and a reader checks that. More follows."
    (span,) = secrets_in(text)
    assert text[span.end :] == "', and a reader checks that. More follows."


PROSE = """

The configuration lives in /etc/ssl/private/server/config2/Default and the internationalization of messages is done by gettext.

Installation notes
==================
Further reading is found under /usr/local/share/doc/manual and in the handbook, docs/reference/Settings2.
"""


@pytest.mark.parametrize(
    "tail",
    [" and not with another header.", "\ninternationalization", "\n", "` (PKCS#8)", "\n-----BEGIN CERTIFICATE-----\n"],
)
def test_prose_that_names_a_private_key_costs_no_more_than_the_mark(tail: str) -> None:
    mark = f"-----BEGIN RSA PRIVATE{' '}KEY-----"
    text = f"The file begins with {mark}{tail}{PROSE * 20}"
    (span,) = secrets_in(text)
    assert text[span.start : span.end].rstrip() == mark
    # a key further down is one of its own
    key = f"{mark}\n" + "\n".join(made("", 62) for _ in range(5))
    _, second = secrets_in(f"{text}{key}")
    assert (second.start, second.end) == (len(text), len(text) + len(key))


def test_a_private_key_soon_after_prose_that_names_one() -> None:
    mark = f"-----BEGIN RSA PRIVATE{' '}KEY-----"
    key = f"{mark}\n{made('', 62)}\n{made('', 62)}"
    named, found = secrets_in(f"It begins with {mark}, so:\n{key}")
    assert (named.end - named.start, found.end - found.start) == (len(mark), len(key))


def test_prose_after_a_private_key_without_an_end_is_kept() -> None:
    key = f"-----BEGIN PRIVATE{' '}KEY-----\n" + "\n".join(made("", 62) for _ in range(5)) + "\na1B=\n"
    (span,) = secrets_in(f"{key}\n# {PROSE}")
    assert span == Span("private_key", 0, len(key.rstrip()))


def test_only_the_password_of_an_address_is_a_secret() -> None:
    text = "postgres://" + "ann:" + "hunter22@db.firm.cn:5432/x"
    (span,) = secrets_in(text)
    assert (span.kind, text[span.start : span.end]) == ("url_password", "hunter22")


@pytest.mark.parametrize(
    "text",
    [
        'password = "correcthorsebatterystaple"',
        "token = get_token_from_environment()",
        "secret: my.module.path.to.secret1",
        "the sk-learn-like-estimators-interface-of-version-one",
        "postgres://user:password@host/db, http://host:80/@x, https://<user>:<token>@host",
        "AKIA is a prefix, ghp_ too, and eyJ begins many",
        "A key: the lungs take up 12 litres",
        "ssh-rsa public keys and -----BEGIN CERTIFICATE-----",
        "",
    ],
)
def test_look_alikes(text: str) -> None:
    assert secrets_in(text) == []


def test_randomness() -> None:
    assert entropy_bits("aaaa") == 0
    assert entropy_bits("abcd") == 2
    assert is_random("q7Zk2mP0xT9vB4nC")
    assert not is_random("aaaaaaaaaaaaaaa1")
    assert not is_random("documentation")


@pytest.mark.parametrize(
    "part",
    [
        "-----BEGIN PRIVATE" + " KEY-----",
        "-----BEGIN PRIVATE" + " KEY-----\n" + "aB" * 30,
        "-----BEGIN PRIVATE" + " KEY-----\n" + "aB3/" * 9 + " ",
        "a://b:",
        "password=",
        "eyJ",
        "-eyJ",
        "xoxb-",
        "-sk-",
        "sk-a",
    ],
    ids=range(10),
)
def test_hostile_text_takes_linear_time(part: str) -> None:
    start = time.perf_counter()
    secrets_in(part * 25_000)
    assert time.perf_counter() - start < 3
