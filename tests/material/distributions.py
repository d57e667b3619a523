"""Hand-made distributions of one package, in place of an index's."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TEXT = b"the text\n"
METADATA = "Metadata-Version: 2.1\nName: tiny-corpus\nVersion: 1.0\n"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def silent(_: str) -> None:
    return None


def write_wheel(folder: Path) -> Path:
    path = folder / "tiny_corpus-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny_corpus/data/text.txt", TEXT)
        archive.writestr("tiny_corpus-1.0.dist-info/METADATA", METADATA)
        archive.writestr(
            "tiny_corpus-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("tiny_corpus-1.0.dist-info/RECORD", "")
    return path


def sdist(files: Mapping[str, str]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in {"PKG-INFO": METADATA, "doc/text.rst": TEXT.decode(), **files}.items():
            info = tarfile.TarInfo(f"tiny_corpus-1.0/{name}")
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    return packed.getvalue()


def write_sdist(folder: Path, files: Mapping[str, str]) -> Path:
    path = folder / "tiny_corpus-1.0.tar.gz"
    path.write_bytes(sdist(files))
    return path


def row(**changes: Any) -> dict[str, Any]:
    return {
        **{"source": "tiny", "package": "tiny-corpus", "version": "1.0", "kind": "wheel"},
        **{"member": "tiny_corpus/data/text.txt", "sha256": sha256(TEXT), **changes},
    }
