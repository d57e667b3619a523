"""The tutorial's script, run as it stands on a built domain (a random model: mechanics, not answers)."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any


def test_the_tutorials_script_answers(built_tree: Any, repository: Path) -> None:
    shutil.copyfile(repository / "docs/examples/answer.py", built_tree.path / "answer.py")
    # the script names the default domain's folders
    (built_tree.path / "artifacts/medical").symlink_to("tiny")
    code = "import runpy; print('answer:', repr(runpy.run_path('answer.py')['answer']('What is this?', 'Be brief.')))"
    printed = built_tree.run("python", "-W", "ignore", "-c", code)
    assert "answer: '" in printed or 'answer: "' in printed
