"""The files of a base checkpoint, checked before a library reads them.

In: the files of the source. Out: a folder that holds the files that loading needs and nothing else, each under its
own name. Property kept: everything that is loaded is in the key. An index, an adapter's or a tokenizer's
configuration may name files anywhere; here every name must be one of the folder's, and files that run code when they
are read (a pickle, a module) are refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from domainlm.contract import StageError
from domainlm.models.checkpoint_settings import check_configuration, depths, read_object
from domainlm.tokens.bounded import is_panic
from domainlm.tokens.tokenizer import TOKENIZER_FILES

OpenRaw = Callable[[Mapping[str, Any]], BinaryIO]
PICKLED = {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"}
CONFIGURATION_FILES = ("config.json", "generation_config.json")
GGUF_NAME = "model.gguf"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
ADAPTER = "adapter_config.json"
COPY_BYTES = 1 << 20
# the first bytes of files with the wrong name
IMPOSTORS = {
    b"PK\x03\x04": "a pickle of PyTorch",
    b"\x80": "a pickle",
    b"version https://git-lfs": "a pointer of Git LFS, not the file itself",
    b"GGUF": "a GGUF file",
    b"<": "a web page",
}
FLOATS = {"F16", "BF16", "F32", "F64"}
MAX_REASON_CHARS = 300


@contextmanager
def reading_source(doing: str, folder: Path) -> Iterator[None]:
    """Report a library's error about a source's files in one line.

    The block must hold no code of ours, so that our defects stay defects.
    """
    try:
        yield
    except (StageError, MemoryError):
        raise
    except BaseException as error:
        if not (isinstance(error, Exception) or is_panic(error)):
            raise
        lines = [line.strip() for line in str(error).replace(str(folder), "the source").splitlines() if line.strip()]
        said = f"{type(error).__name__}: {' '.join(lines)}"
        if "ignore_mismatched_sizes" in said:
            # transformers prints which; what it advises would draw them at random
            said = "weights of other shapes than the configuration says (vocab_size, hidden_size, ...)"
        reason = said if len(said) <= MAX_REASON_CHARS else f"{said[:MAX_REASON_CHARS]}..."
        raise StageError(
            f"the base model's source cannot be read: {doing} failed with {reason}; expected a whole checkpoint of an"
            " architecture that the installed transformers has built in: download it again, or choose another one in"
            " sources.<base_model>"
        ) from error


def collect_files(files: Sequence[Mapping[str, Any]], open_raw: OpenRaw, folder: Path) -> list[int]:
    """Copy the files that loading needs; return all sizes of the source.

    They are one GGUF file, as model.gguf, or the files beside config.json.
    """
    paths = [PurePosixPath(row["path"]) for row in files]
    quantised = [row for row, path in zip(files, paths, strict=True) if path.suffix == ".gguf"]
    configs = [path for path in paths if path.name == "config.json"]
    if len(quantised) == 1 and not configs:
        return [_copy(open_raw(quantised[0]), folder / GGUF_NAME)]
    adapters = [path for path in paths if path.name == ADAPTER]
    if adapters:
        raise StageError(
            f"the base model's source holds {ADAPTER}: an adapter, which would load another base model; expected a"
            " whole checkpoint: merge the adapter into its base, or add it to sources.<base_model>.exclude"
        )
    if quantised or len(configs) != 1:
        raise StageError(
            f"the base model's source has {len(quantised)} .gguf and {len(configs)} config.json files; expected one of"
            " the two, once: narrow sources.<base_model>.include to one checkpoint"
        )
    chosen = [(row, path) for row, path in zip(files, paths, strict=True) if path.parent == configs[0].parent]
    names = [path.name for _, path in chosen]
    pickled = sorted(name for name in names if PurePosixPath(name).suffix in PICKLED)
    code = sorted(name for name in names if name.endswith(".py"))
    if pickled or code:
        raise StageError(
            f"the base model's source holds {', '.join(pickled + code)}, which run code when loaded; expected"
            " safetensors and JSON only: add them to sources.<base_model>.exclude, or convert the weights to safetensors"
        )
    if not any(name.endswith(".safetensors") for name in names) or "tokenizer.json" not in names:
        raise StageError(
            f"the base model's source holds {', '.join(sorted(names))}; expected *.safetensors and tokenizer.json"
            " beside config.json: widen sources.<base_model>.include"
        )
    sizes = []
    for row, path in chosen:
        is_needed = path.name in (*CONFIGURATION_FILES, *TOKENIZER_FILES, INDEX) or path.suffix == ".safetensors"
        # what is not needed is read too: its digest is checked, and it counts
        sizes.append(_copy(open_raw(row), folder / path.name if is_needed else None))
    return sizes


def check_checkpoint(folder: Path) -> None:
    """Raise StageError where the files that `collect_files` left cannot be one checkpoint."""
    config = read_object(folder / "config.json")
    for name in ("generation_config.json", "tokenizer_config.json", "special_tokens_map.json"):
        if (folder / name).exists():
            read_object(folder / name)
    check_configuration(config, folder)
    tensors = _tensors(folder)
    # weight_packed, qweight, weight
    stored = sorted({k for name, k in tensors.items() if "weight" in name.rsplit(".", 1)[-1] and k not in FLOATS})
    if stored:
        raise StageError(
            f"the base model's weights are stored as {', '.join(stored)}; expected one of {', '.join(sorted(FLOATS))}: give"
            " sources.<base_model> a checkpoint that is not quantised"
        )
    for name, depth in depths(config):
        if depth < 0:
            raise StageError(
                f"config.json names {depth} layers ({name}); expected the number of layers that the weights have: check"
                " sources.<base_model>"
            )
        if depth > len(tensors):
            raise StageError(
                f"config.json names {depth:,} layers ({name}), and the weights have {len(tensors):,} tensors; expected at"
                " least one a layer: they are not of one model, check sources.<base_model>"
            )


def stored_dtype(folder: Path) -> str:
    """The precision to store a base model in: float16 or bfloat16.

    float16 holds three bits more of a number than bfloat16, and as much memory.
    """
    kinds = Counter(_tensors(folder).values())
    return "float16" if kinds and kinds.most_common(1)[0][0] == "F16" else "bfloat16"


def _tensors(folder: Path) -> dict[str, str]:
    """Type of each tensor that will be loaded.

    Raises StageError if index and files do not agree.
    """
    has_index, has_whole = (folder / INDEX).exists(), (folder / WEIGHTS).exists()
    weight_map = _weight_map(folder) if has_index else {}
    shards = sorted(set(weight_map.values())) if has_index else [WEIGHTS]
    if not (has_index or has_whole) or (has_index and has_whole and shards != [WEIGHTS]):
        present = ", ".join(sorted(path.name for path in folder.glob("*.safetensors*")))
        raise StageError(
            f"the base model's source has {present}; expected either {WEIGHTS}, or {INDEX} and the files that it names: add"
            " the others to sources.<base_model>.exclude"
        )
    found: dict[str, str] = {}
    for shard in shards:
        for name, kind in _header(folder / shard).items():
            if name in found:
                raise StageError(
                    f"the tensor {name!r} is in two files of the base model, one of them {shard}; expected it once:"
                    " check sources.<base_model>"
                )
            if has_index and weight_map.get(name, shard) != shard:
                raise _not_agreeing(f"it looks for {name!r} in {weight_map[name]}, but the tensor is in {shard}")
            found[name] = kind
    lacking = sorted(weight_map.keys() - found.keys())
    if lacking:
        raise _not_agreeing(f"{weight_map[lacking[0]]} does not hold {lacking[0]!r} ({len(lacking)} such tensors)")
    return found


def _not_agreeing(reason: str) -> StageError:
    return StageError(
        f"the base model's {INDEX} and its files are not of one checkpoint: {reason}; expected every tensor in the file that"
        " the index names: download both again, and check sources.<base_model>"
    )


def _weight_map(folder: Path) -> dict[str, str]:
    weight_map = read_object(folder / INDEX).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map or not all(isinstance(v, str) for v in weight_map.values()):
        raise _not_agreeing("it has no weight_map of names of tensors to names of files")
    present = {path.name for path in folder.glob("*.safetensors")}
    missing = sorted(set(weight_map.values()) - present)
    if missing:
        raise StageError(
            f"the base model's {INDEX} names {missing[0]!r} ({len(missing)} such), which is no file of the source beside it;"
            f" expected the files of the source only ({', '.join(sorted(present))}): widen sources.<base_model>.include, or"
            " download the missing files"
        )
    return weight_map


def _header(path: Path) -> dict[str, str]:
    """Type of each tensor in a whole safetensors file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            return {name: str(file.get_slice(name).get_dtype()) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (SafetensorError, OSError, ValueError) as error:
        with path.open("rb") as raw:
            start = raw.read(64)
        impostor = next((words for magic, words in IMPOSTORS.items() if start.startswith(magic)), None)
        reason = f"it is {impostor}" if impostor else str(error)
        raise StageError(
            f"the base model's {path.name} is no whole safetensors file ({reason}); expected one: download it again, convert"
            " it where it is a pickle, and check sources.<base_model>"
        ) from error


def _copy(source: BinaryIO, target: Path | None) -> int:
    """Read a file to the end, into a target if any.

    Returns the number of its bytes.
    """
    count = 0
    with source, target.open("wb") if target is not None else nullcontext() as file:
        while block := source.read(COPY_BYTES):
            count += len(block)
            if file is not None:
                file.write(block)
    return count
