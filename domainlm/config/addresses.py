"""Sources that are no local files: package files, URLs, hub revisions.

In: the values of a domain file. Out: names, versions and addresses that can be nothing else. Each is matched whole
against the form that its kind allows, so none is an option or a direct reference to the client that receives it, none
holds two lines, and none leads out of a folder.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from domainlm.config.section import Sha256, Strict

# the names specification of Python packaging
_DISTRIBUTION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
# PEP 440, with the spellings that it allows for the same version
_VERSION = re.compile(
    r"(\d+!)?\d+(\.\d+)*([-_.]?(a|b|c|rc|alpha|beta|pre|preview)[-_.]?\d*)?(-\d+|[-_.]?(post|rev|r)[-_.]?\d*)?"
    r"([-_.]?dev[-_.]?\d*)?(\+[a-z0-9]+([-_.][a-z0-9]+)*)?",
    re.ASCII | re.IGNORECASE,
)
_HUB_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?")
# RFC 3986: the characters of an address; the host is a name or a number, in brackets for IPv6
_ADDRESS = re.compile(r"https?://[A-Za-z0-9._~:/?#\[\]!$&'()*+,;=%@-]+")
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}(?:\.{_LABEL})*\.?|(?=[^:]*:)[0-9A-Fa-f:.]+)")
# control characters, halves of characters, and characters that end a line
_UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")


def _distribution(name: str) -> str:
    if not _DISTRIBUTION.fullmatch(name):
        raise ValueError(
            "expected the name of a distribution on a Python package index, such as scikit-learn (letters, digits and . _ - "
            "between them); for a file at an address write fetch: {url: ...}, for one on this machine local: PATH"
        )
    return name


def _exact_version(version: str) -> str:
    if len(version) > 100 or not _VERSION.fullmatch(version):
        raise ValueError(
            "expected one exact version as PEP 440 writes it, such as 1.7.2 or 2.0rc1, without ==, * or a range; the index's page "
            "of the package lists its versions"
        )
    return version


def _member(name: str) -> str:
    parts = name.split("/")
    if "" in parts or "." in parts or ".." in parts or "\\" in name or name[1:2] == ":":
        raise ValueError(
            "expected the path of one file inside the archive, with / between folders, such as package/data/text.txt; no /, ./ or "
            "../ at its beginning, no //, no \\"
        )
    if any(unicodedata.category(letter) in _UNPRINTABLE for letter in name):
        raise ValueError("expected the path of one file inside the archive; it holds a control character: remove it")
    return name


def _repository(name: str) -> str:
    parts = name.split("/")
    is_name = len(parts) == 2 and all(_HUB_NAME.fullmatch(part) for part in parts)
    if not is_name or "--" in name or ".." in name or name.endswith(".git"):
        raise ValueError(
            "expected owner/name as at the top of the repository's page, such as Qwen/Qwen2.5-14B; no address, no third part"
        )
    return name


def _commit(name: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{40}", name):
        raise ValueError(
            "expected a full commit hash, 40 hex digits in small letters; a branch or tag may move: copy the hash from the "
            "repository's list of commits"
        )
    return name


def _address(url: str) -> str:
    """A valid address.

    Raises ValueError without the address's own text, because its faulty part may be a password.
    """
    if not url.startswith(("http://", "https://")):
        raise ValueError("url must begin with http:// or https://; name a file by local instead")
    if not _ADDRESS.fullmatch(url):
        raise ValueError(
            "expected an address of ASCII letters, digits and the marks of RFC 3986; percent-encode the rest (a space is %20, a "
            "host's letters are its xn-- name)"
        )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("expected http://HOST[:PORT]/PATH; its host or port cannot be read") from None
    if not host or not _HOST.fullmatch(host) or port == 0:
        raise ValueError("expected http://HOST[:PORT]/PATH; it has no host, or one that no machine can have")
    if "@" in parts.netloc:
        raise ValueError("it holds a user or password before its host; put them into ~/.netrc")
    return url


class Fetch(Strict):
    """A fixed-output fetch of one file, pinned by its digest.

    The file comes from a Python package or from a URL.
    """

    package: Annotated[str, AfterValidator(_distribution)] | None = Field(
        None, description="distribution name on the Python package index"
    )
    version: Annotated[str, AfterValidator(_exact_version)] | None = Field(
        None, description="exact version of the distribution"
    )
    kind: Literal["wheel", "sdist"] = Field("wheel", description="kind of distribution file to download")
    url: Annotated[str, AfterValidator(_address)] | None = Field(
        None, description="http or https address of the file, instead of a package; a login for it goes into ~/.netrc"
    )
    member: Annotated[str, AfterValidator(_member)] | None = Field(
        None,
        description="the one file of the archive to keep (null: the whole archive is kept, and its members are read)",
    )
    sha256: Sha256 = Field(description="digest of the member, or of the archive (or single file) if member is null")

    @model_validator(mode="after")
    def _one_address(self) -> Fetch:
        if (self.package is None) == (self.url is None) or (self.package is None) != (self.version is None):
            raise ValueError("a fetch needs either package and version, or url")
        if self.kind == "sdist" and self.url is not None:
            raise ValueError("kind is for packages; omit it beside url")
        if self.kind == "sdist" and self.member is not None:
            raise ValueError("an sdist is pinned as a whole: omit member, declare the archive's sha256, use include")
        return self


class Hub(Strict):
    """A repository on the Hugging Face hub, pinned to a commit.

    The commit hash is the digest.
    """

    repository: Annotated[str, AfterValidator(_repository)] = Field(
        description="owner/name on the hub: a model for role base_model, else a dataset"
    )
    revision: Annotated[str, AfterValidator(_commit)] = Field(
        description="full commit hash, 40 hex digits", json_schema_extra={"pattern": "^[0-9a-f]{40}$"}
    )
