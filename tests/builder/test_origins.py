from __future__ import annotations

from pathlib import Path

import pytest

from domainlm.builder.origins import note_origin, note_path, read_origin, trusted_keys, untrusted_folders
from domainlm.store.actions import Origin
from domainlm.store.local import Store
from domainlm.store.remote_location import RemoteError
from domainlm.store.signatures import TRUSTED_VARIABLE

FOLDER = "artifacts/tiny/documents/0000"


def test_a_note_is_about_one_key_and_goes_with_what_is_built_here(tmp_path: Path) -> None:
    origin = Origin("s3://bucket", "signed")
    note_origin(tmp_path, FOLDER, "1", origin)
    assert read_origin(tmp_path, FOLDER, "1") == origin
    assert read_origin(tmp_path, FOLDER, "2") is None
    assert note_path(tmp_path, FOLDER) == tmp_path / ".domainlm/fetched/tiny/documents/0000.json"
    note_origin(tmp_path, FOLDER, "1", None)
    assert read_origin(tmp_path, FOLDER, "1") is None


@pytest.mark.parametrize("data", ["", "[]", "{}", '{"key": "1", "fetched": 3, "trusted_by": ""}'])
def test_a_torn_note_is_none(tmp_path: Path, data: str) -> None:
    note_path(tmp_path, FOLDER).parent.mkdir(parents=True)
    note_path(tmp_path, FOLDER).write_text(data)
    assert read_origin(tmp_path, FOLDER, "1") is None


def test_without_trusted_keys_nothing_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TRUSTED_VARIABLE, raising=False)
    assert trusted_keys(tmp_path) is None
    assert untrusted_folders(tmp_path, [], Store(tmp_path / "store")) == {}
    monkeypatch.setenv(TRUSTED_VARIABLE, "gone")
    with pytest.raises(RemoteError, match="gone, which is not a file"):
        trusted_keys(tmp_path)
