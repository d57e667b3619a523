from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from domainlm.store.local import Store, append_line


def test_creating_the_value_creates_nothing(tmp_path: Path) -> None:
    Store(tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_commit_moves_every_file_in(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    out = tmp_path / "out"
    (out / "deep").mkdir(parents=True)
    (out / "a").write_text("same")
    (out / "deep/b").write_text("same")
    (out / "c").write_text("other")
    manifest = store.commit(out)
    assert [entry.path for entry in manifest.entries] == ["a", "c", "deep/b"]
    assert store.has_all(manifest)
    assert len([path for path in (store.root / "objects").rglob("*") if path.is_file()]) == 2
    assert not [path for path in out.rglob("*") if path.is_file()]


def test_a_temporary_folder_is_empty_and_goes_away(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.temporary("key") as folder:
        assert list(folder.iterdir()) == []
        (folder / "x").write_text("1")
    assert not folder.exists()


@pytest.mark.parametrize("host", ["machine", "machine.of.somebody"])
def test_what_a_killed_process_left_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    code = (
        f"import os, socket; from pathlib import Path; socket.gethostname = lambda: {host!r}\n"
        "from domainlm.store.local import Store\n"
        f"with Store(Path({str(tmp_path)!r})).temporary('a.key') as folder:\n"
        "    (folder / 'x').write_text('1'); os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    assert len(list((tmp_path / "tmp").iterdir())) == 1
    monkeypatch.setattr(socket, "gethostname", lambda: "elsewhere")
    with Store(tmp_path).temporary("other"):
        assert len(list((tmp_path / "tmp").iterdir())) == 2
    monkeypatch.setattr(socket, "gethostname", lambda: host)
    with Store(tmp_path).temporary("other") as own, Store(tmp_path).temporary("second") as second:
        assert sorted((tmp_path / "tmp").iterdir()) == sorted([own, second])


def test_scratch_stays_until_it_is_removed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    (store.scratch("key") / "checkpoint").write_text("1")
    assert (store.scratch("key") / "checkpoint").exists()
    store.remove_scratch("key")
    assert list(store.scratch("key").iterdir()) == []


def test_history_is_one_file_per_build(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for number in range(3):
        store.append_history({"artifact": "a", "seconds": number})
    rows = [json.loads(path.read_bytes()) for path in (tmp_path / "history").iterdir()]
    assert sorted(row["seconds"] for row in rows) == [0, 1, 2]


def test_lines_of_many_writers_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep/lines.jsonl"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: append_line(path, {"number": number, "text": "ü" * 5000}), range(400)))
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert sorted(row["number"] for row in rows) == list(range(400))
    assert os.stat(path).st_mode & 0o200
