"""Keys that people sign with."""

from __future__ import annotations

import subprocess
from pathlib import Path


def make_key(path: Path, passphrase: str = "") -> Path:
    """A new private key at this path; its public one is beside it."""
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", path.name, "-f", str(path)]
    subprocess.run(command, check=True)
    return path
