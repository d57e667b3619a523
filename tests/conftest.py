"""What every test shares: the repository, an environment in which nothing of the caller's store leaks, tiny models.

The tiny models are random checkpoints with a byte-level tokenizer and a chat template in which padding is the end of
a turn.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest
from code_memory import know_code

NOBODY = 65534
REPOSITORY = Path(__file__).resolve().parent.parent
# what a build needs of the repository; data/ may hold a person's own corpora
TREE = [
    "Snakefile",
    ".dvcignore",
    ".gitignore",
    "pyproject.toml",
    "dvc.yaml",
    "rules",
    "profiles",
    "config",
    "domainlm",
    "envs",
    "data/instruction",
    ".dvc/config",
    ".dvc/.gitignore",
]


# where DVC looks for the configuration of the user and of the machine
DVC_FOLDERS = ("DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR")
NOWHERE = "/nonexistent"


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """No store, remote or keys of the caller; no DVC remote of the machine's user."""
    for name in [name for name in os.environ if name.startswith("DOMAINLM_")]:
        monkeypatch.delenv(name)
    for name in DVC_FOLDERS:
        monkeypatch.setenv(name, NOWHERE)


@pytest.fixture(scope="session")
def copy_tree() -> Callable[[Path], Path]:
    """copy_tree(target): a copy of the repository's files in which commands can be run."""

    def copy(target: Path) -> Path:
        for name in TREE:
            source = REPOSITORY / name
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copyfile(source, target / name)
        return target

    return copy


@pytest.fixture(scope="session")
def tree_environment() -> Callable[..., dict[str, str]]:
    """tree_environment(tree, changes): environment in which `python -m domainlm`, snakemake and dvc use the tree."""

    def environment(tree: Path, changes: Mapping[str, str] = {}) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DOMAINLM_")}
        kept |= dict.fromkeys(DVC_FOLDERS, NOWHERE)
        commands = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
        return {**kept, "PATH": commands, "PYTHONPATH": str(tree), "HF_HUB_OFFLINE": "1", **changes}

    return environment


TEXT_PROJECT = """\
domain: tiny
sources:
  x: {role: corpus, local: corpus, licence: CC0-1.0}
  m: {role: base_model, local: model}
corpus_split: {replay_share: 0.0}
"""
TEXT_STAGES = ("raw_corpus", "documents", "clean_shards", "unique_shards")


@dataclass(frozen=True)
class TextProject:
    """A project whose text stages build in a second, in this process."""

    path: Path

    def stamps(self, **overrides: Any) -> list[Any]:
        from domainlm.config.resolve import resolve
        from domainlm.pipeline.stamps import make_stamps

        return make_stamps(self.path, resolve(self.path, overrides), is_remembered=False)

    def build(self, *artifacts: str, **overrides: Any) -> list[str]:
        """Build these artifacts (default: all text stages) as a run would; outcomes in order."""
        from domainlm.builder.history import recorded_build
        from domainlm.contract import Resources
        from domainlm.workflow.prepare import prepare

        stamps = prepare(overrides, self.path).stamps.values()
        quiet = Resources(log=lambda message: None)
        wanted = artifacts or TEXT_STAGES
        return [recorded_build(self.path, stamp, quiet).outcome for stamp in stamps if stamp.artifact in wanted]


def write_text_project(root: Path) -> TextProject:
    files = {"model/config.json": "{}", "config/config.yaml": TEXT_PROJECT}
    for number in range(4):
        words = " ".join(f"word{number}{letter}" for letter in "abcdefghijklmnop")
        files[f"corpus/{number}.txt"] = f"{words.translate(str.maketrans('0123', 'wxyz'))}.\n"
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    (root / "envs").mkdir()
    for lock in ("cpu.lock", "torch.lock"):
        shutil.copyfile(REPOSITORY / "envs" / lock, root / "envs" / lock)
    know_code(root)
    return TextProject(root)


@pytest.fixture(scope="session")
def make_text_project() -> Callable[[Path], TextProject]:
    """make_text_project(folder): nothing built, in this folder."""
    return write_text_project


@pytest.fixture
def text_project(tmp_path: Path) -> TextProject:
    """Nothing built."""
    return write_text_project(tmp_path / "text_project")


@pytest.fixture(scope="session")
def _built_text_project(tmp_path_factory: pytest.TempPathFactory) -> TextProject:
    project = write_text_project(tmp_path_factory.mktemp("text") / "project")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DOMAINLM_STORE", raising=False)
        project.build()
    return project


@pytest.fixture
def built_text_project(_built_text_project: TextProject, tmp_path: Path) -> TextProject:
    """The text stages built, in a copy of the test's own."""
    # one call, so that hardlinks between store and artifacts stay hardlinks
    subprocess.run(["cp", "-a", str(_built_text_project.path), str(tmp_path / "text_project")], check=True)
    return TextProject(tmp_path / "text_project")


def unavailable(reason: str) -> NoReturn:
    """Skip by name; where the environment says CI, fail: there, everything that tests need is installed."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """small_disk(kibibytes): a file system of its own, that small. `mount -o remount,ro` makes it read-only."""
    mounted: list[Path] = []

    def mount(kibibytes: int) -> Path:
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={kibibytes}k", "domainlm-test", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            unavailable(f"no small file system can be mounted here (needs root): {done.stderr.strip()}")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def as_nobody() -> Callable[[Callable[[], Any]], Any]:
    """as_nobody(function): its JSON result, run by another user in a fork."""

    def run(function: Callable[[], Any]) -> Any:
        if os.geteuid() != 0:
            unavailable("only root can act as another user")
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.close(reader)
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
                try:
                    result = {"result": function()}
                except Exception as error:
                    result = {"error": f"{type(error).__name__}: {error}"}
                with os.fdopen(writer, "w") as file:
                    json.dump(result, file)
            finally:
                os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as file:
            found = json.load(file)
        os.waitpid(pid, 0)
        if "error" in found:
            raise AssertionError(found["error"])
        return found["result"]

    return run


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users reach too; pytest's own are closed to them."""
    folder = Path(tempfile.mkdtemp(prefix="domainlm-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


CHAT_TEMPLATE = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def write_tokenizer(folder: Path, pad: str) -> int:
    """Byte-level tokenizer without merges; returns how many ids it has."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    control = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: i for i, letter in enumerate(control + letters)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(control)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=pad, pad_token=pad)
    fast.chat_template = CHAT_TEMPLATE
    fast.save_pretrained(folder)
    return len(control) + len(letters)


@pytest.fixture
def make_base(tmp_path: Path) -> Callable[..., Path]:
    """make_base(architecture="llama", dtype="float32", pad="<|im_end|>", **configuration): a base_model folder."""

    def make(architecture: str = "llama", dtype: str = "float32", pad: str = "<|im_end|>", **extra: Any) -> Path:
        import torch
        from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

        folder = tmp_path / f"{architecture}_{dtype}_{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        rows = write_tokenizer(folder, pad)
        shape: dict[str, Any] = {
            "vocab_size": rows + 5,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 256,
            "tie_word_embeddings": True,
            "initializer_range": 0.2,
            "bos_token_id": None,
            "eos_token_id": 2,
        } | extra
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            if architecture == "llama":
                model: Any = LlamaForCausalLM(LlamaConfig(**shape))
            else:
                model = Qwen2ForCausalLM(Qwen2Config(**shape))
        model.to(getattr(torch, dtype)).save_pretrained(folder)
        tokens = {
            "end_of_text": "<|endoftext|>",
            "end_of_text_id": 0,
            "turn_end": "<|im_end|>",
            "turn_end_id": 2,
            "pad_id": 0 if pad == "<|endoftext|>" else 2,
            "vocab_size": rows + 5,
        }
        (folder / "tokens.json").write_text(json.dumps(tokens), encoding="utf-8")
        return folder

    return make


@pytest.fixture
def make_tokens(tmp_path: Path) -> Callable[..., Path]:
    """make_tokens(lengths, row_length): a token folder of random documents, the same rows for both splits' files."""

    def make(lengths: list[int], row_length: int = 32, vocabulary: int = 250, last_id: int = 0) -> Path:
        import numpy as np

        from domainlm.tokens.files import write_meta, write_split
        from domainlm.tokens.packing import TokenSequence

        folder = tmp_path / f"tokens_{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        random = np.random.default_rng(3)
        figures = {}
        for split in ("train", "validation"):
            sequences = []
            for index, length in enumerate(lengths):
                ids = random.integers(3, vocabulary, size=length).astype(np.int32)
                ids[-1] = last_id
                sequences.append(TokenSequence(f"{split}{index}", "s", ids, np.ones(length, dtype=np.uint8)))
            figures[split] = write_split(folder, split, sequences, row_length, 2)
        write_meta(folder, figures, row_length, 2, last_id)
        return folder

    return make
