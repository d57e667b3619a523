from __future__ import annotations

import pytest

from domainlm.store.secrets import secret_in, secrets_in, without_secrets

ENVIRONMENT = {
    "AWS_SECRET_ACCESS_KEY": "/s3cret/value",
    "HF_TOKEN": "hf_token",
    "HF_TOKEN_PATH": "/srv/token",
    "TOKENIZERS_PARALLELISM": "disabled",
    "HTTPS_PROXY": "http://me:pr%40xy-word@proxy:3128",
    "PIP_EXTRA_INDEX_URL": "https://a.example/simple https://joe:index-word@b.example/simple",
    "HOME": "/home/me",
}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GET https://me:pw@host/x with /s3cret/value and hf_token of me", "GET https://host/x with *** and *** of me"),
        ("https://joe:a/b?c#d@host/x failed", "https://host/x failed"),
        ("'https://joe:SE KRET@host'", "'https://joe:SE KRET@host'"),
        ("http://127.0.0.1:8080/@scope/x and git@host", "http://127.0.0.1:8080/@scope/x and git@host"),
        ("(found 'https://h/x?a=1&X-Amz-Signature=abc&b=2')", "(found 'https://h/x?a=1&X-Amz-Signature=***&b=2')"),
        ("/simple/x?sig=a%2Fb (Caused by y)", "/simple/x?sig=*** (Caused by y)"),
        ("https://h/x#access_token=abc", "https://h/x#access_token=***"),
        ("bad word ghp_0123456789abcdefghij.", "bad word ***."),
        ("{'Authorization': 'Basic am9lOnB3', 'a': 1}", "{'Authorization': 'Basic ***', 'a': 1}"),
        ("pr@xy-word pr%40xy-word index-word", "*** *** ***"),
        ("/srv/token disabled hf_hub_download sk-learn-0.1.2", "/srv/token disabled hf_hub_download sk-learn-0.1.2"),
        ("https://h/x?id=5&format=csv&max_tokens=7", "https://h/x?id=5&format=csv&max_tokens=7"),
    ],
)  # fmt: skip
def test_a_message_holds_no_secret(text: str, shown: str) -> None:
    assert without_secrets(text, ENVIRONMENT) == shown


@pytest.mark.parametrize(
    "address",
    [
        "https://joe:word@host/x",
        "https://token@host/x",
        "https://joe:w/o?r#d@host/x",
        *(
            f"https://host/x?a=1&{name}=abc"
            for name in ("X-Amz-Signature", "sig", "token", "access_token", "key", "api_key")
        ),
        *(
            f"https://host/x?{name}=abc"
            for name in ("password", "secret", "Signature", "AWSAccessKeyId", "X-Goog-Signature")
        ),
        *(
            f"https://host/x?{name}=abc"
            for name in ("X-Amz-Security-Token", "private_token", "client_secret", "OSSAccessKeyId")
        ),
        "https://host/x?%73ig=abc",
        "https://host/x?url=https%3A%2F%2Fjoe%3Aword%40host%2F",
        "https://host/x?url=https%3A%2F%2Fhost%2F%3Ftoken%3Dabc",
        "https://host/x?hdnts=exp=1~acl=*~hmac=abc",
        "https://host/x?user=joe&pw=abc",
        "https://host/x?a=1;sig=abc",
        "https://host/x?sv=2022-11-02&se=2030-01-01&sp=r",
        "https://host/files/glpat-abcdefgh12345678/x",
        "https://host/hf_AbCdEfGhIjKl0123/x",
        "https://host/x?id=AKIAABCDEFGHIJKL",
        "https://host/x#id_token=abc",
    ],
)
def test_a_secret_is_known_and_its_value_not_said(address: str) -> None:
    found = secret_in(address)
    assert found is not None
    assert "abc" not in found
    assert "word" not in found.replace("password", "")


@pytest.mark.parametrize(
    "address",
    [
        "https://host/x?id=5&format=csv",
        "https://host/@scope/x.tgz",
        "http://127.0.0.1:8080/@scope/x.tgz",
        "https://host/x?code=I10&sort=name&monkey=1&sp=7",
        "https://host/hf_transfer/x",
        "data/folder@home/x",
        "owner/hf_wikipedia",
        "**/*.[ch]",
    ],
)
def test_a_plain_address_is_none(address: str) -> None:
    assert secret_in(address) is None


def test_secrets_are_found_wherever_they_stand() -> None:
    shared = {"x": ["plain", "https://joe:word@host/"]}
    values: dict[str, object] = {"a": shared, "b": shared}
    values["circle"] = values
    assert [location for location, _ in secrets_in(values, ("sources",))] in (
        [("sources", "a", "x", "1")],
        [("sources", "b", "x", "1")],
    )
