"""Secrets: their detection in addresses, and their removal from text.

In: an address, or any text for a person, a log or a record. Out: the kind of the secret in the address (never its
value), or the text with each secret replaced. An address is part of keys, records and reports, and is pushed with
them, so an address with a secret is refused before any work starts; the other function is for the messages of
libraries. The module knows users and passwords of URLs, secret parameters of queries, tokens by the marks of their
issuers, and the values of environment variables that are named like secrets.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

MASK = "***"
# a shorter value is no secret, and would be found in every word
SHORTEST_SECRET = 6
# names of parameters, in small letters and without - _ . between their words
_SECRET_NAMES = frozenset(
    (
        *(
            "sig",
            "key",
            "auth",
            "authorization",
            "jwt",
            "bearer",
            "pass",
            "pwd",
            "passwd",
            "passphrase",
            "hmac",
            "pat",
            "pw",
        ),
        *("googleaccessid", "keypairid", "sessionid", "jsessionid", "phpsessid", "sid", "ticket"),
        # signed addresses of Akamai
        *("hdnts", "hdnea", "hdntl"),
    )
)
_SECRET_ENDINGS = (
    *("token", "signature", "secret", "password", "credential", "credentials", "apikey", "accesskey", "accesskeyid"),
    *("secretkey", "accountkey", "privatekey", "authkey", "sharedkey", "userpass"),
)
# a shared access signature of Azure: its parts say little each, two of them are one
_SHARED_ACCESS = frozenset(("sv", "se", "sp", "sr", "st", "skoid", "sktid"))
# tokens by the marks of their issuers; what is as short as a name (hf_hub_download, sk-learn) is none
_ISSUED = re.compile(
    r"(?<![0-9A-Za-z])(?:hf_(?=[A-Za-z0-9]{0,99}[A-Z0-9])[A-Za-z0-9]{12,}|gh[pousr]_[0-9A-Za-z]{12,}|github_pat_[0-9A-Za-z_]{16,}"
    r"|glpat-[0-9A-Za-z_\-]{8,}|xox[abeoprs]-[0-9A-Za-z\-]{8,}|npm_[0-9A-Za-z]{30,}|pypi-AgE[0-9A-Za-z_\-]{8,}"
    r"|sk-(?:ant-|proj-|or-)?[0-9A-Za-z_\-]{32,}|(?:AKIA|ASIA)[0-9A-Z]{8,}|AIza[0-9A-Za-z_\-]{30,}|LTAI[0-9A-Za-z]{12,}|AKID[0-9A-Za-z]{28,}"
    r"|eyJ[0-9A-Za-z_\-]{8,2000}\.[0-9A-Za-z_\-]+(?:\.[0-9A-Za-z_\-]+)?)"
)
# user information as it should be, and with a password that is not quoted: it may hold / ? # and then no host is found
_USER_INFO = re.compile(
    r"""(?<=://)(?:[^/?#@\s]{0,512}@|[^/?#@\s:]{0,512}:(?!\d{1,5}(?:[/?#\s"',;]|$))[^@\s"']{0,512}@)"""
)
_PARAMETER = re.compile(r"""(?<=[?&;#])([^=&;#?\s"'<>]{1,100})=([^&;#\s"'<>]+)""")
_SECRET_VARIABLE = re.compile(
    "SECRET|TOKEN(?!IZERS)|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|API_?KEY|ACCESS_?KEY|ACCOUNT_?KEY|SAS_KEY|(?:^|_)(?:PAT|AUTH)$|_PWD$",
    re.IGNORECASE,
)
# such a variable holds the place of a secret where its value is a path
_PLACE_VARIABLE = re.compile("(?:FILE|PATH|DIR|URI|CREDENTIALS)$", re.IGNORECASE)
# what follows a heading of an HTTP request that libraries quote
_HEADING = re.compile(r"(?i)(authorization['\"]?\s*[:=]\s*['\"]?(?:basic|bearer|token)\s+)[0-9A-Za-z+/=_.\-]+")


def _is_secret_name(name: str) -> bool:
    plain = re.sub(r"[^0-9a-z]", "", unquote(name).lower())
    return plain in _SECRET_NAMES or plain.endswith(_SECRET_ENDINGS)


def secret_in(address: str) -> str | None:
    """The kind of secret in an address, without its value; or None."""
    # an address within the address is quoted, and has parameters of its own
    plain = unquote(address)
    if _USER_INFO.search(address) or _USER_INFO.search(plain):
        return "a user or password before its host"
    names = [unquote(name) for text in (address, plain.replace("?", "&")) for name, _ in _PARAMETER.findall(text)]
    for name in names:
        if _is_secret_name(name):
            # a name with a token in it is not shown
            return (
                f"the parameter {name}" if name.isascii() and name.isprintable() and len(name) < 40 else "a parameter"
            )
    if len(_SHARED_ACCESS & {name.lower() for name in names}) > 1:
        return "a shared access signature (sv, se, sp)"
    return "an access token" if _ISSUED.search(plain) else None


def secrets_in(values: Any, location: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """The places and kinds of secret addresses in nested mappings.

    A value that is reached in two ways is examined once.
    """
    waiting: list[tuple[tuple[str, ...], Any]] = [(location, values)]
    seen: set[int] = set()
    while waiting:
        here, value = waiting.pop()
        if isinstance(value, str):
            if (what := secret_in(value)) is not None:
                yield here, what
        elif isinstance(value, Mapping | list) and id(value) not in seen:
            seen.add(id(value))
            items = value.items() if isinstance(value, Mapping) else enumerate(value)
            waiting.extend(((*here, str(key)), item) for key, item in items)


def _values_of(environment: Mapping[str, str]) -> Iterator[str]:
    for name, value in environment.items():
        if _SECRET_VARIABLE.search(name):
            if not (_PLACE_VARIABLE.search(name) and value.startswith(("/", "~", "."))):
                yield value
        elif "@" in value and "://" in value:
            # proxies and indexes: PIP_INDEX_URL may list several
            for address in value.split():
                yield from _password_of(address)


def _password_of(address: str) -> Iterator[str]:
    try:
        password = urlsplit(address).password
    except ValueError:
        return
    if password:
        yield from {password, unquote(password)}


def without_secrets(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """A text without secrets.

    Users of URLs, secret parameters, tokens and secrets of the environment are replaced.
    """
    for value in sorted(set(_values_of(environment)), key=len, reverse=True):
        if len(value) >= SHORTEST_SECRET:
            text = text.replace(value, MASK)
    text = _USER_INFO.sub("", text)
    text = _PARAMETER.sub(lambda found: f"{found[1]}={MASK}" if _is_secret_name(found[1]) else found[0], text)
    return _ISSUED.sub(MASK, _HEADING.sub(rf"\1{MASK}", text))
