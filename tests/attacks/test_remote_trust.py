"""Attacks on the trust in signed records: what was fetched before, what strangers sign, what a push would sign for them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from material.attack import attack
from material.keys import make_key
from material.projects import DOCUMENTS, RAW
from material.remote_project import Project, make_again

from domainlm.contract import StageError
from domainlm.store.remote import action_name
from domainlm.store.signatures import SIGNING_VARIABLE, TRUSTED_VARIABLE


@pytest.fixture
def trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Path]:
    """trust(): from now on only what the returned key signed counts."""
    own = make_key(tmp_path / "own")

    def begin() -> Path:
        (tmp_path / "allowed_signers").write_text(f"team@example.org {own.with_suffix('.pub').read_text()}")
        monkeypatch.setenv(TRUSTED_VARIABLE, str(tmp_path / "allowed_signers"))
        return own

    return begin


@attack(
    "remote",
    "trust after the fact",
    "an unsigned record that was fetched before trust in keys was switched on",
    "checked again when it is used, in the workspace and in the store, also without the remote: built here",
)
@pytest.mark.parametrize("way", ["installed", "in the store", "without its record", "hollow"])
def test_what_was_fetched_before_is_checked_again(
    full: Project,
    make: Callable[[str], Project],
    trust: Callable[[], Path],
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    clone, key = make("clone"), full.key()
    assert clone.build(is_wanted=way != "hollow").outcome == "fetched"
    trust()
    if way != "hollow":
        monkeypatch.setenv("DOMAINLM_REMOTE", "none")
    if way == "in the store":
        shutil.rmtree(clone.path / RAW)
        shutil.rmtree(clone.path / ".domainlm/fetched")
    elif way == "without its record":
        # a record that is made again from what is installed does not forget it
        clone.store.actions.path(key).unlink()
        monkeypatch.delenv(TRUSTED_VARIABLE)
        assert clone.build().outcome == "up_to_date"
        recorded = clone.store.actions.find(key)
        assert recorded is not None
        assert recorded.origin is not None
        trust()
    assert clone.build().outcome == "built"
    assert any("nobody signed it" in line for line in clone.said)
    # it is ours now
    assert clone.build().outcome == "up_to_date"
    shutil.rmtree(clone.path / RAW)
    assert clone.build().outcome == "restored"


@attack(
    "remote",
    "trust after the fact",
    "an input that was fetched unsigned, for a stage that is built once trust in keys is switched on",
    "the stage does not read it: the input is named, and built here first",
)
def test_an_untrusted_input_is_not_read(
    full: Project, make: Callable[[str], Project], trust: Callable[[], Path]
) -> None:
    clone = make("clone")
    clone.build()
    trust()
    with pytest.raises(StageError, match="does not count: it came from"):
        clone.build("documents")
    assert clone.build().outcome == "built"
    assert clone.build("documents").outcome == "built"


@attack(
    "remote",
    "forged signature",
    "a record signed by a stranger, with another record's signature, or with none, where keys are trusted",
    "refused and named, then built; a record that is signed by a trusted key is fetched, and is accepted without another request",
)
def test_only_a_trusted_signature_of_exactly_this_counts(
    full: Project,
    make: Callable[[str], Project],
    trust: Callable[[], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own, stranger = trust(), make_key(tmp_path / "stranger")
    full.build("documents")
    monkeypatch.setenv(SIGNING_VARIABLE, str(stranger))
    monkeypatch.delenv(TRUSTED_VARIABLE)
    full.push()
    trust()
    first_clone = make("first")
    assert first_clone.build().outcome == "built"
    # who signs with a trusted key and trusts keys replaces a stranger's signature
    monkeypatch.setenv(SIGNING_VARIABLE, str(own))
    full.push()
    second = make("second")
    assert [second.build().outcome, second.build("documents").outcome] == ["fetched", "fetched"]
    calls: list[object] = []
    monkeypatch.setattr("domainlm.builder.origins.trust_fault", lambda *arguments: calls.append(arguments))
    assert second.build().outcome == "up_to_date"
    assert second.build().outcome == "up_to_date"
    assert len(calls) == 1
    # the signature of another record
    signature = json.loads((full.remote / action_name(full.key(DOCUMENTS))).read_bytes())["signature"]
    full.rewrite(full.key(), lambda row: row.update(signature=signature))
    monkeypatch.undo()
    monkeypatch.setenv("DOMAINLM_REMOTE", str(full.remote))
    trust()
    assert make_again(first_clone).build().outcome == "built"


@attack(
    "remote",
    "laundering of signatures",
    "an unsigned record of a stranger, fetched by somebody who then pushes with a signing key",
    "a push signs what was built here alone",
)
def test_a_push_signs_nothing_of_others(
    full: Project, make: Callable[[str], Project], trust: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = trust()
    monkeypatch.delenv(TRUSTED_VARIABLE)
    clone = make("clone")
    clone.build()
    clone.build("documents")
    monkeypatch.setenv(SIGNING_VARIABLE, str(own))
    clone.push()
    raw, documents = (
        json.loads((full.remote / action_name(clone.key(folder))).read_bytes()) for folder in (RAW, DOCUMENTS)
    )
    assert "signature" not in raw
    assert documents["signature"]
