from __future__ import annotations

import pytest

from domainlm.text.cleaning.excerpt import masked_excerpt, masked_place


def test_an_excerpt_is_cut_and_holds_no_personal_data() -> None:
    text = "Write to jane.doe@smith-and-daughters.net. " + "Plain words follow. " * 20
    found = masked_excerpt(text)
    assert len(found) == 160
    assert "jane.doe" not in found
    assert found.startswith("Write to [email]. Plain words follow.")


def test_what_lies_across_the_end_is_masked_too() -> None:
    text = "x" * 140 + " jane.doe@a.rather.long.name-of-a-firm.net and more"
    assert "jane.doe" not in masked_excerpt(text)


def test_a_text_as_read_is_brought_into_normal_form_first() -> None:
    found = masked_excerpt(
        "Write to jane\u200b.doe@smith-and\u00ad-daughters.net\r\nor call 138\u200b0013\u200b8000 (手机)"
    )
    assert found == "Write to [email]\nor call [mobile] (手机)"


@pytest.mark.parametrize("filling", ["\u200b", "\n", "\u200b\n", "jane.doe@a.rather.long.name-of-a-firm.net "])
@pytest.mark.parametrize("number", ["13800138000", "+49 30 901820 4711"])
def test_no_part_of_a_number_is_shown_wherever_a_text_is_cut(filling: str, number: str) -> None:
    for count in range(1, 900 // len(filling)):
        found = masked_excerpt(f"Our office{' ' * (count % 7)}\n{filling * count}tel. {number} (in the morning)")
        assert not any(character.isdigit() for character in found), (count, found)


@pytest.mark.parametrize(
    "head", ["", "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,0A1B\n\n", "Version: GnuPG v2\nComment: a-b\n\n"]
)
def test_a_private_key_that_goes_on_behind_the_excerpt(head: str) -> None:
    key = (
        f"-----BEGIN RSA PRIVATE{' '}KEY-----\n{head}"
        + "MIIEow-IBAAKCAQEA+\n" * 40
        + f"-----END RSA PRIVATE{' '}KEY-----"
    )
    assert masked_excerpt(f"Our key: {key} and more") == "Our key: [private_key]"
    short = f"-----BEGIN RSA PRIVATE{' '}KEY-----\n{head}MIIEowIBAAKCAQEA\n-----END RSA PRIVATE{' '}KEY-----"
    assert masked_excerpt(f"Our key: {short} and more") == "Our key: [private_key]"
    for cut in range(len(key)):
        assert "MIIEow" not in masked_excerpt(f"Our key: {key[:cut]}")


@pytest.mark.parametrize("payload", [10, 100, 2000])
@pytest.mark.parametrize("name", ["", "token=", "密钥"])
def test_a_web_token_that_goes_on_behind_the_excerpt(name: str, payload: int) -> None:
    token = "ey" + "JhbGciOiJIUzI1NiJ9." + "ey" + "J" + "zdWIi_W5hbWUi" * payload + ".SflKxwRJSMeKKF2QT4fwpM"
    found = masked_excerpt(f"Use {name}{token}. Then more")
    assert "JhbG" not in found
    assert "zdWI" not in found
    assert found.startswith(f"Use {name}[json_web_token]")
    assert masked_excerpt("ey" + "JhbGciOiJIUz" * 200) == "[json_web_token]"
    assert masked_excerpt("Many begin with eyJ, as eyJhbGciOiJIUzI1NiJ9 does.") == (
        "Many begin with eyJ, as eyJhbGciOiJIUzI1NiJ9 does."
    )


def test_a_place_is_shown_in_full_without_personal_data() -> None:
    assert masked_place("Contact / " + "long " * 60 + "jane.doe@smith.net") == "Contact / " + "long " * 60 + "[email]"
