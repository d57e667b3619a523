"""Attacks through what a domain file names to be fetched: packages, versions, members, addresses, revisions, digests."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from material.attack import attack

from domainlm.config.errors import ConfigurationError
from domainlm.config.resolve import resolve

ZEROS = "0" * 64
COMMIT = "a" * 40


@pytest.fixture
def refused(text_project: Any) -> Callable[..., str]:
    """refused(fetch=..., hub=...): what is said of such a source, after nothing was downloaded."""

    def say(**origin: Any) -> str:
        folder = text_project.path / "config/domains"
        folder.mkdir(exist_ok=True)
        # JSON is YAML in which every character can be written
        (folder / "evil.yaml").write_text(json.dumps({"sources": {"web": {"role": "corpus", **origin}}}))
        with pytest.raises(ConfigurationError) as raised:
            resolve(text_project.path, {"domain": "evil"})
        return str(raised.value)

    return say


@pytest.mark.parametrize(
    "name",
    [
        *(
            "evil @ file:///x.tar.gz #",
            "evil@git+https://host/x",
            "-e /x\nevil",
            "evil\n",
            "evil\n--index-url http://x",
            "--help",
        ),
        *(
            "./evil",
            "/x/evil",
            "evil[extra]",
            "evil ; x",
            "evil==2",
            "git+ssh://x",
            "",
            " evil",
            "-r",
            "évil",
            "e" * 200,
        ),
        *("evil\u2028", "evil\r", "_evil", "evil."),
    ],
)
@attack(
    "domain file",
    "option injection",
    "a `fetch.package` that is a URL, a path, an option of pip or two lines",
    "a configuration error that names the key; nothing is downloaded",
)
def test_a_package_is_only_a_name(refused: Callable[..., str], name: str) -> None:
    said = refused(fetch={"package": name, "version": "1.0", "sha256": ZEROS})
    assert "sources.web.fetch.package: expected the name of a distribution" in said


@pytest.mark.parametrize(
    "version",
    [
        *(
            "1.*",
            ">=1",
            "==1.0",
            "1.0 --hash=sha256:00",
            "1.0\n-e /x",
            "1.0\n",
            "file:///x",
            "*",
            "",
            "latest",
            "1.0,<2",
        ),
        *("1.0 @ http://x", "1.0;x", "१.0", "1." + "0" * 200, "1.0+", "-1"),
    ],
)
@attack(
    "domain file",
    "option injection",
    "a `fetch.version` with a wildcard, a range, an option or a second line",
    "a configuration error: one exact version, as PEP 440 writes it",
)
def test_a_version_is_one_version(refused: Callable[..., str], version: str) -> None:
    said = refused(fetch={"package": "evil", "version": version, "sha256": ZEROS})
    assert "sources.web.fetch.version: expected one exact version" in said


@pytest.mark.parametrize(
    "member",
    [
        "../x",
        "/etc/passwd",
        "a/../../x",
        "a//b",
        "./a",
        "C:/x",
        "a\\b",
        "a\nb",
        "",
        "a/",
        "..",
        "a\x1b[2J",
        "a\u2028b",
    ],
)
@attack(
    "domain file",
    "path traversal",
    "a `fetch.member` that is absolute, leads out with `..`, or holds control characters",
    "a configuration error that states the form of a member's path",
)
def test_a_member_is_a_path_inside(refused: Callable[..., str], member: str) -> None:
    said = refused(fetch={"package": "evil", "version": "1.0", "member": member, "sha256": ZEROS})
    assert "sources.web.fetch.member: expected the path of one file inside the archive" in said
    assert "\x1b" not in said


@pytest.mark.parametrize(
    "address",
    [
        *(
            "file:///etc/passwd",
            "ftp://host/x",
            "data:text/plain,x",
            "http:///x",
            "http://",
            "https://host:0/x",
            "HTTP:x",
        ),
        *(
            "http://host:99999/x",
            "http://host:port/x",
            "http://ho st/x",
            "http://host/x y",
            "http://host/x\n",
            "http://host\t/x",
        ),
        *(
            "http://host/\r\nX: y",
            "http://[::1/x",
            "http://hoſt/x",
            "http://host\\@other/x",
            "http://-host/x",
            "http://a..b/x",
        ),
        *(f"http://{'a' * 64}.org/x", f"http://{'a' * 300}/", f"http://{'a' * 30000}!/", "javascript:x"),
    ],
)
@attack(
    "domain file",
    "request smuggling",
    "an address of another scheme, without a host, or with letters that parsers read differently",
    "a configuration error that names `fetch.url`; no request is made",
)
def test_an_address_is_http_with_a_host(refused: Callable[..., str], address: str) -> None:
    assert "sources.web.fetch.url: " in refused(fetch={"url": address, "sha256": ZEROS})


@pytest.mark.parametrize(
    ("repository", "revision"),
    [
        *(
            (name, COMMIT)
            for name in (
                "data",
                "a/b/c",
                "../b",
                "a/..",
                "https://host/a/b",
                "a/b\n",
                "a/b?x",
                "a b/c",
                "/b",
                "a/",
                "-a/b",
            )
        ),
        *((name, COMMIT) for name in ("a/b.git", "a--b/c", "a/" + "b" * 200)),
        *(("a/b", commit) for commit in ("main", "A" * 40, COMMIT + "\n", "a" * 39, "../" + "a" * 37, "refs/pr/1")),
    ],
)
@attack(
    "domain file",
    "mutable reference",
    "a hub source by a branch, a tag, a path or an address",
    "a configuration error: owner/name and a full commit hash, nothing else",
)
def test_a_hub_source_is_a_name_and_a_commit(refused: Callable[..., str], repository: str, revision: str) -> None:
    said = refused(hub={"repository": repository, "revision": revision})
    assert (
        "sources.web.hub.repository: expected owner/name" in said or "sources.web.hub.revision: expected a full" in said
    )


@pytest.mark.parametrize("digest", ["0" * 63, "0" * 65, "A" * 64, "0" * 64 + "\n", "sha256:" + "0" * 57, "", "٠" * 64])
@attack(
    "domain file",
    "unpinned download",
    "a `fetch.sha256` that is no digest, or is followed by a second line",
    "a configuration error that says how to find the digest",
)
def test_a_digest_is_a_digest(refused: Callable[..., str], digest: str) -> None:
    said = refused(fetch={"package": "evil", "version": "1.0", "sha256": digest})
    assert "sources.web.fetch.sha256: expected a SHA-256, 64 hex digits" in said
