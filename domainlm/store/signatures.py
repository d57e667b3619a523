"""Signed actions: `ssh-keygen -Y`, with people's existing keys.

In: an action key and the tree digest of its output. Out: a signature in OpenSSH's format, and whether a signature is
by a signer in an allowed_signers file. The signature covers the one fact that a cache can lie about: which output
belongs to which action. The bytes themselves are checked by digest. Our own key format or library would be one more
thing to keep, lose and audit.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from domainlm.store.canonical import canonical_json
from domainlm.store.remote_location import RemoteError

SIGNING_VARIABLE = "DOMAINLM_SIGNING_KEY"
TRUSTED_VARIABLE = "DOMAINLM_TRUSTED_KEYS"
NAMESPACE = "domainlm-action"
TIMEOUT_SECONDS = 60.0


def signed_bytes(key: str, tree_digest: str) -> bytes:
    return canonical_json({"key": key, "tree": tree_digest})


def _ssh_keygen(arguments: list[str], data: bytes) -> subprocess.CompletedProcess[bytes]:
    try:
        command = ["ssh-keygen", "-Y", *arguments]
        return subprocess.run(command, input=data, capture_output=True, check=False, timeout=TIMEOUT_SECONDS)
    except FileNotFoundError:
        raise RemoteError(
            "ssh-keygen is not installed, and signatures need it; install OpenSSH's client "
            f"or unset {SIGNING_VARIABLE} and {TRUSTED_VARIABLE}"
        ) from None
    except subprocess.TimeoutExpired:
        raise RemoteError(
            f"ssh-keygen gave no answer in {TIMEOUT_SECONDS:.0f} s; a key with a passphrase or a touch needs "
            f"ssh-agent: ssh-add KEY, and {SIGNING_VARIABLE}=KEY.pub"
        ) from None


def sign(key: str, tree_digest: str, key_file: Path) -> str:
    """Signature of an action's output.

    key_file: a private key, or a public one whose private part ssh-agent holds.
    """
    if not key_file.is_file():
        raise RemoteError(
            f"{SIGNING_VARIABLE} is {key_file}, which is not a file; expected a private or public SSH key"
        )
    done = _ssh_keygen(["sign", "-q", "-f", str(key_file), "-n", NAMESPACE], signed_bytes(key, tree_digest))
    if done.returncode != 0 or not done.stdout:
        reason = done.stderr.decode(errors="replace").strip() or "ssh-keygen said nothing"
        raise RemoteError(f"cannot sign with {SIGNING_VARIABLE}={key_file}: {reason}; is the key loaded (ssh-add -l)?")
    return done.stdout.decode("ascii")


def signer(key: str, tree_digest: str, signature: str, trusted_keys: Path) -> str | None:
    """The allowed signer who made exactly this signature, or None."""
    if not trusted_keys.is_file():
        raise RemoteError(
            f"{TRUSTED_VARIABLE} is {trusted_keys}, which is not a file; expected an allowed_signers file"
        )
    with tempfile.NamedTemporaryFile("w", suffix=".sig") as file:
        file.write(signature)
        file.flush()
        common = ["-f", str(trusted_keys), "-n", NAMESPACE, "-s", file.name]
        named = _ssh_keygen(["find-principals", "-f", str(trusted_keys), "-s", file.name], b"")
        # one key may represent several people; the file may also forbid this use of it, which only verify judges
        for principal in named.stdout.decode(errors="replace").replace(",", "\n").splitlines():
            done = _ssh_keygen(["verify", "-I", principal, *common], signed_bytes(key, tree_digest))
            if done.returncode == 0:
                return principal
    return None


def trust_fault(key: str, tree_digest: str, signature: str, trusted_keys: Path) -> str | None:
    """Why an output from elsewhere is not trusted, in words.

    None if a trusted signer signed it.
    """
    if signature and signer(key, tree_digest, signature, trusted_keys) is not None:
        return None
    who = "none of the trusted keys signed" if signature else "nobody signed"
    return f"{who} it ({TRUSTED_VARIABLE}={trusted_keys})"


def trusted_keys_file(project: Path, environment: Mapping[str, str] = os.environ) -> Path | None:
    """The file of allowed signers, or None if everybody is trusted."""
    named = environment.get(TRUSTED_VARIABLE)
    return (project / named).expanduser() if named else None
