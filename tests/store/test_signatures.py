from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from material.keys import make_key

from domainlm.store.remote_location import RemoteError
from domainlm.store.signatures import NAMESPACE, sign, signed_bytes, signer

KEY, TREE = "1" * 64, "2" * 64


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return make_key(tmp_path / "key")


@pytest.fixture
def trusted(key: Path, tmp_path: Path) -> Path:
    path = tmp_path / "allowed_signers"
    path.write_text(f"me@example.org,you@example.org {key.with_suffix('.pub').read_text()}")
    return path


def test_a_signature_is_its_signer_s(key: Path, trusted: Path) -> None:
    signature = sign(KEY, TREE, key)
    assert signature.startswith("-----BEGIN SSH SIGNATURE-----")
    assert signer(KEY, TREE, signature, trusted) == "me@example.org"


def test_another_output_or_another_action_is_not_what_was_signed(key: Path, trusted: Path) -> None:
    signature = sign(KEY, TREE, key)
    assert signer(KEY, "3" * 64, signature, trusted) is None
    assert signer("3" * 64, TREE, signature, trusted) is None


def test_a_stranger_s_signature_and_no_signature_count_for_nothing(trusted: Path, tmp_path: Path) -> None:
    assert signer(KEY, TREE, sign(KEY, TREE, make_key(tmp_path / "stranger")), trusted) is None
    assert signer(KEY, TREE, "", trusted) is None
    assert signer(KEY, TREE, "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n", trusted) is None


def test_a_signature_for_another_purpose_counts_for_nothing(key: Path, trusted: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        ["ssh-keygen", "-Y", "sign", "-q", "-f", str(key), "-n", "git"],
        input=signed_bytes(KEY, TREE),
        capture_output=True,
        check=True,
    )
    assert signer(KEY, TREE, done.stdout.decode(), trusted) is None
    trusted.write_text(f'me namespaces="git" {key.with_suffix(".pub").read_text()}')
    assert signer(KEY, TREE, sign(KEY, TREE, key), trusted) is None
    trusted.write_text(f'me namespaces="{NAMESPACE}" {key.with_suffix(".pub").read_text()}')
    assert signer(KEY, TREE, sign(KEY, TREE, key), trusted) == "me"


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    socket = tmp_path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    while not socket.exists():
        assert process.poll() is None
    monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
    yield
    process.terminate()
    process.wait()


def test_a_public_key_signs_by_the_agent(agent: None, key: Path, trusted: Path) -> None:
    subprocess.run(["ssh-add", "-q", str(key)], check=True)
    key.unlink()
    assert signer(KEY, TREE, sign(KEY, TREE, key.with_suffix(".pub")), trusted) == "me@example.org"


def test_a_key_that_cannot_sign_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_ASKPASS_REQUIRE", "never")
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with pytest.raises(RemoteError, match=r"DOMAINLM_SIGNING_KEY is .*nothing"):
        sign(KEY, TREE, tmp_path / "nothing")
    with pytest.raises(RemoteError, match=r"DOMAINLM_TRUSTED_KEYS is .*nothing"):
        signer(KEY, TREE, "x", tmp_path / "nothing")
    (tmp_path / "text").write_text("no key")
    with pytest.raises(RemoteError, match="cannot sign"):
        sign(KEY, TREE, tmp_path / "text")


def test_without_ssh_keygen_it_says_so(key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    with pytest.raises(RemoteError, match="ssh-keygen is not installed"):
        sign(KEY, TREE, key)
