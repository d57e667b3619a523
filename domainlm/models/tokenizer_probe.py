"""A test whether a tokenizer is safe to run on a corpus.

In: a checkpoint folder with tokenizer.json. Out: nothing, or StageError for a tokenizer that cannot be read, takes
unbounded time, draws by chance, or makes text grow. Its regular expressions and replacements are a stranger's:
expressions that backtrack need hours for a line of one letter. So texts that slow such expressions are tried first,
in a process with a time limit.
"""

from __future__ import annotations

from pathlib import Path

from domainlm.contract import StageError
from domainlm.tokens.bounded import Bounded, CallFailed, OverLimit
from domainlm.tokens.tokenizer import open_tokenizer

# the slowest known one, of 256,000 tokens, is read in 2 seconds and encodes these in a tenth
MAX_SECONDS = 60.0
MAX_MEMORY_MB = 4000
# one byte is one token at most, and normal forms make up to 18 letters of one
MAX_TOKENS_PER_BYTE = 32
REPEATS = 4000
ONE_LETTER = "aA1 .\n\t-_'\"é漢\u0301"
PROBES = (
    *(letter * REPEATS for letter in ONE_LETTER),
    *(f"{letter * REPEATS}!" for letter in "a1 "),
    *(f"{pair * REPEATS}!" for pair in ("ab", "aA", "a ", "a1", " \n", "1,", "1.", "'s")),
)


def check_tokenizer(folder: Path) -> None:
    """Raise StageError for a tokenizer that no corpus should meet."""
    with Bounded(_tried, MAX_SECONDS, MAX_MEMORY_MB) as call:
        try:
            share, dropout = call(str(folder / "tokenizer.json"))
        except (OverLimit, CallFailed) as error:
            raise StageError(
                f"the base model's tokenizer.json {_in_words(error)}; expected one that reads any text in time: download it"
                " again, or choose another model in sources.<base_model>"
            ) from error
    if dropout:
        raise StageError(
            f"the base model's tokenizer.json skips merges at random (dropout {dropout:g}), so that one text has other tokens"
            " in each run; expected null: correct model.dropout in the copy in sources.<base_model>"
        )
    if share > MAX_TOKENS_PER_BYTE:
        raise StageError(
            f"the base model's tokenizer.json makes {share:.0f} tokens of a byte; expected at most {MAX_TOKENS_PER_BYTE}: its"
            " normalizer makes text grow, choose another model in sources.<base_model>"
        )


def _in_words(error: Exception) -> str:
    return f"cannot be read or used ({error})" if isinstance(error, CallFailed) else f"{error} on texts of one letter"


def _tried(path: str) -> tuple[float, float]:
    """Most tokens per byte, and the share of randomly skipped merges.

    This runs in the child process.
    """
    tokenizer = open_tokenizer(Path(path))
    share = max(len(tokenizer.encode(text, add_special_tokens=False)) / len(text.encode()) for text in PROBES)
    return share, getattr(tokenizer.model, "dropout", None) or 0.0
