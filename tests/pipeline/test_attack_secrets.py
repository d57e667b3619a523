"""Secrets of every kind, planted, and a search for them in every file and every line that a project's commands write.

Each secret is another word, so that what is found says where it came from. Real snakemake, real DVC, a real server behind a login.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from material.attack import attack
from material.checkout import tree_environment
from material.servers import Answer, answering_server

pytestmark = pytest.mark.long

NETRC, INDEX, HUB, KEY = "SEKRETnetrc0", "SEKRETindex1", "hf_SEKREThub2abcdefgh", "SEKRETkey3/+abc"
PROXY, DVC, IN_SOURCE, IN_REMOTE = "SEKRETproxy4", "SEKRETdvc5", "SEKRETsource6", "SEKRETremote7"
WORD = b"SEKRET"
TEXT = "kola bimo tera vona siku pafe lodi gura neha foco from the web.\n"
# written by a person, not by a command
PLANTED = (".dvc/config.local",)


def login(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def sdist() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name in ("a.txt", "b.txt"):
            text = f"gura neha foco lodi pafe siku of the package, {name[0]} kola bimo tera vona.\n".encode()
            info = tarfile.TarInfo(f"tiny_corpus-1.0/{name}")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text))
    return packed.getvalue()


@pytest.fixture
def server() -> Iterator[str]:
    """A file and a package index, each behind a login of its own, and a hub that refuses; gives the address."""
    data = sdist()
    page = (
        f"<a href='/files/tiny_corpus-1.0.tar.gz#sha256={hashlib.sha256(data).hexdigest()}'>tiny_corpus-1.0.tar.gz</a>"
    )

    def answer(path: str, headings: Mapping[str, str]) -> Answer:
        given = headings.get("Authorization", "")
        if path.startswith(("/simple/", "/files/")):
            if given != login("joe", INDEX):
                return 401, {"WWW-Authenticate": "Basic realm=index"}, b""
            if path == "/simple/tiny-corpus/":
                return 200, {"Content-Type": "text/html"}, page.encode()
            return (200, {}, data) if path.startswith("/files/") else (404, {}, b"")
        if path == "/text.txt":
            return (200, {}, TEXT.encode()) if given == login("joe", NETRC) else (401, {}, b"")
        # a server that says what it was sent
        return 403, {}, f"no, {given} may not read {path}".encode()

    with answering_server(answer) as address:
        yield address


@pytest.fixture
def secrets(tmp_path: Path, server: str) -> dict[str, str]:
    """The environment of a user who gives every secret as the documentation says."""
    home = tmp_path / "home"
    home.mkdir()
    (home / ".netrc").write_text(f"machine 127.0.0.1 login joe password {NETRC}\n")
    (home / ".netrc").chmod(0o600)
    (tmp_path / "remote").mkdir()
    return {
        "HOME": str(home),
        "NO_PROXY": "127.0.0.1",
        "HTTPS_PROXY": f"http://joe:{PROXY}@127.0.0.1:9",
        "PIP_INDEX_URL": f"{server.replace('//', f'//joe:{INDEX}@')}/simple",
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_FIND_LINKS": "",
        "PIP_EXTRA_INDEX_URL": "",
        "HF_TOKEN": HUB,
        "HF_ENDPOINT": server,
        "HF_HUB_OFFLINE": "0",
        "HF_HOME": str(home / "hub"),
        "AWS_ACCESS_KEY_ID": "SEKRETidentity8",
        "AWS_SECRET_ACCESS_KEY": KEY,
        "DOMAINLM_REMOTE": str(tmp_path / "remote"),
        "DVC_NO_ANALYTICS": "1",
    }


def files_with_secrets(*folders: Path) -> list[str]:
    """Files below the folders that hold a planted word, and those whose name does."""
    found = []
    for folder in folders:
        for path in folder.rglob("*"):
            name = path.relative_to(folder).as_posix()
            if WORD.decode() in name or (path.is_file() and name not in PLANTED and WORD in path.read_bytes()):
                found.append(name)
    return sorted(found)


def source(server: str, **origin: str) -> str:
    return f"  web: {{role: corpus, format: txt, licence: CC0-1.0, {', '.join(f'{key}: {value}' for key, value in origin.items())}}}\n"


def with_sources(tree: Any, text: str) -> None:
    tree.edit("config/domains/tiny.yaml", "sources:\n", f"sources:\n{text}")


@attack(
    "remote",
    "leaked secrets",
    "a whole build, push, pull, dvc repro and every question, by a user with secrets in the environment, netrc and DVC's files",
    "none is in a log, record, artifact, stamp, lock file, object of the remote or line that is printed",
)
def test_a_build_a_push_a_pull_and_a_repro_write_no_secret(
    fresh_tree: Any, server: str, secrets: dict[str, str], tmp_path: Path
) -> None:
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in (("web", TEXT.encode()), ("package", sdist()))}
    package = f"{{package: tiny-corpus, version: '1.0', kind: sdist, sha256: '{digests['package']}'}}"
    with_sources(
        fresh_tree,
        source(server, fetch=f"{{url: '{server}/text.txt', sha256: '{digests['web']}'}}")
        + f"  package: {{role: corpus, format: txt, licence: CC0-1.0, fetch: {package}}}\n",
    )
    (fresh_tree.path / ".dvc/config.local").write_text(
        f"['remote \"x\"']\n    url = ssh://joe@host/x\n    password = {DVC}\n"
    )
    fresh_tree.run("python", "-m", "domainlm.workflow.dvc", "tiny", **secrets)
    fresh_tree.commit("Sources behind logins")
    printed = [fresh_tree.snakemake(**secrets)]
    assert fresh_tree.artifact("eval_report").joinpath("report.html").exists()
    for command in ("push", "plan", "lineage eval_report", "why eval_report", "doctor", "verify"):
        words = command.split()
        domain = [] if words[0] == "doctor" else ["--domain", "tiny"]
        # doctor may find the machine wanting: what it prints is what counts
        environment = tree_environment(fresh_tree.path, secrets)
        printed.append(run_any(fresh_tree.path, ["python", "-m", "domainlm", *words, *domain], environment))
    printed.append(fresh_tree.run("dvc", "repro", "domains/tiny/dvc.yaml", **secrets))
    other = tmp_path / "other"
    assert files_with_secrets(fresh_tree.path, Path(secrets["DOMAINLM_REMOTE"])) == []
    # another store: everything comes from the remote
    fetched = {**secrets, "DOMAINLM_STORE": str(other)}
    fresh_tree.run("rm", "-rf", "artifacts/tiny")
    printed.append(fresh_tree.snakemake("sft_adapter", **fetched))
    printed.append(fresh_tree.run("python", "-m", "domainlm", "pull", "--domain", "tiny", **fetched))
    assert files_with_secrets(fresh_tree.path, Path(secrets["DOMAINLM_REMOTE"]), other) == []
    assert [text for text in printed if "SEKRET" in text] == []


def run_any(folder: Path, command: list[str], environment: dict[str, str]) -> str:
    import subprocess

    done = subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return done.stdout


# quoted: YAML reads digits alone as a number
ZEROS = f"'{'0' * 64}'"
FAILURES: dict[str, Callable[[str], str]] = {
    "a wrong digest behind a login": lambda server: source(
        server, fetch=f"{{url: '{server}/text.txt', sha256: {ZEROS}}}"
    ),
    "a refused login": lambda server: source(server, fetch=f"{{url: '{server}/other.txt', sha256: {ZEROS}}}"),
    "an unreachable host": lambda server: source(server, fetch=f"{{url: 'http://127.0.0.1:9/x', sha256: {ZEROS}}}"),
    "a package that the index lacks": lambda server: source(
        server, fetch=f"{{package: absent, version: '1.0', sha256: {ZEROS}}}"
    ),
    "a package of another digest": lambda server: source(
        server, fetch=f"{{package: tiny-corpus, version: '1.0', kind: sdist, sha256: {ZEROS}}}"
    ),
    "a hub that refuses": lambda server: source(server, hub=f"{{repository: a/b, revision: '{'a' * 40}'}}"),
}


@attack(
    "domain file",
    "leaked secrets",
    "builds that fail: a wrong digest, a refused login, a host that does not answer, an index and a hub that refuse",
    "no log, record or printed line of theirs holds a secret",
)
def test_a_failed_build_writes_no_secret(fresh_tree: Any, server: str, secrets: dict[str, str]) -> None:
    domain = fresh_tree.path / "config/domains/tiny.yaml"
    plain = domain.read_text()
    for kind, sources in FAILURES.items():
        domain.write_text(plain)
        with_sources(fresh_tree, sources(server))
        printed = fresh_tree.snakemake("raw_corpus", expect=1, **secrets)
        assert "source web" in printed, (kind, printed)
        assert "SEKRET" not in printed, kind
        assert files_with_secrets(fresh_tree.path) == [], kind
        assert fresh_tree.builds()[-1]["outcome"] == "failed"


@attack(
    "domain file",
    "leaked secrets",
    "such addresses in the domain file and in --config, an index and a remote, given to snakemake, plan, doctor and push",
    "each says what is there and how to give it; no file that is written and no line holds the secret",
)
def test_a_refused_secret_is_not_repeated(fresh_tree: Any, server: str, secrets: dict[str, str]) -> None:
    domain = fresh_tree.path / "config/domains/tiny.yaml"
    plain = domain.read_text()
    for address in (
        f"http://joe:a/{IN_SOURCE}@127.0.0.1:9/x",
        f"http://127.0.0.1:9/x?X-Amz-Signature={IN_SOURCE}",
    ):
        domain.write_text(plain)
        with_sources(fresh_tree, source(server, fetch=f"{{url: '{address}', sha256: {ZEROS}}}"))
        given = [fresh_tree.snakemake("raw_corpus", expect=1, **secrets)]
        given.append(fresh_tree.run("python", "-m", "domainlm", "plan", "--domain", "tiny", expect=2, **secrets))
        domain.write_text(plain)
        change = f"sources={{web: {{role: corpus, fetch: {{url: '{address}', sha256: {ZEROS}}}}}}}"
        given.append(fresh_tree.snakemake("raw_corpus", config=[change], expect=1, **secrets))
        setting = ["--domain", "tiny", "--set", change]
        given.append(fresh_tree.run("python", "-m", "domainlm", "plan", *setting, expect=2, **secrets))
        assert [text for text in given if "SEKRET" in text or "sources.web.fetch.url" not in text] == []
        assert files_with_secrets(fresh_tree.path) == []
    index = f"http://joe:a/{INDEX}@127.0.0.1:9/simple"
    domain.write_text(plain)
    with_sources(fresh_tree, FAILURES["a package that the index lacks"](server))
    assert "SEKRET" not in fresh_tree.snakemake("raw_corpus", expect=1, **{**secrets, "PIP_INDEX_URL": index})
    domain.write_text(plain)
    for remote in (
        f"https://joe:{IN_REMOTE}/slash@127.0.0.1:9/x",
        f"s3://joe:{IN_REMOTE}@bucket/x",
        f"https://h/x?sig={IN_REMOTE}",
    ):
        changed = {**secrets, "DOMAINLM_REMOTE": remote}
        environment = tree_environment(fresh_tree.path, changed)
        for command in ("doctor", "push --domain tiny"):
            said = run_any(fresh_tree.path, ["python", "-m", "domainlm", *command.split()], environment)
            assert "SEKRET" not in said
            assert "Traceback" not in said
        assert "SEKRET" not in run_any(
            fresh_tree.path, ["snakemake", "--cores", "1", "raw_corpus", "--config", "domain=tiny"], environment
        )
    assert files_with_secrets(fresh_tree.path) == []
    assert os.environ.get("HF_TOKEN") != HUB
