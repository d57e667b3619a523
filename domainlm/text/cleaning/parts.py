"""The parts of a text that quality rules count, each computed once.

They are paragraphs, lines, words and marks. In: a normalised text. Out: `Parts`, whose members are computed when
first asked for and shared by all rule sets. The words of a text repeat, so the kind of a word (mark, number, letters)
is determined once per different word: this takes a third of the time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cached_property

from domainlm.text.characters import has_letter, is_word, tokens


class Parts:
    """A text and, on demand, its parts."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def paragraphs(self) -> list[str]:
        return self.text.split("\n\n")

    @cached_property
    def lines(self) -> list[str]:
        """Lines that are not blank."""
        return [line for line in self.text.split("\n") if line.strip()]

    @cached_property
    def tokens(self) -> list[str]:
        return tokens(self.text)

    @cached_property
    def counts(self) -> Counter[str]:
        return Counter(self.tokens)

    def heaviest(self, gap: int) -> int:
        """Most characters that all occurrences of one token take up.

        Each occurrence counts with a gap after it.
        """
        return max([count * (len(token) + gap) for token, count in self.counts.items()], default=0)

    @cached_property
    def longest_repeated(self) -> int:
        """Characters of the longest token that occurs more than once."""
        return max([len(token) for token, count in self.counts.items() if count > 1], default=0)

    @cached_property
    def _marks(self) -> tuple[int, int, int]:
        """Number of marks, their characters, and number of tokens without a letter."""
        marks = mark_chars = without_letter = 0
        for token, count in self.counts.items():
            # most tokens, told without a pattern
            if "一" <= token <= "鿿" or (token.isascii() and token.isalpha()):
                continue
            if not is_word(token):
                marks += count
                mark_chars += count * len(token)
                without_letter += count
            elif not has_letter(token):
                without_letter += count
        return marks, mark_chars, without_letter

    @property
    def words(self) -> int:
        """Number of words and numbers."""
        return len(self.tokens) - self._marks[0]

    @property
    def mean_word_chars(self) -> float:
        """Mean length of words and numbers; 0 where there are none."""
        return (sum(map(len, self.tokens)) - self._marks[1]) / self.words if self.words else 0.0

    @property
    def alphabetic(self) -> int:
        """Number of words with a letter."""
        return len(self.tokens) - self._marks[2]


def duplicated(pieces: Sequence[str]) -> tuple[int, int]:
    """How many pieces repeat an earlier one, and their characters."""
    seen: set[str] = set(pieces)
    count = len(pieces) - len(seen)
    return count, sum(map(len, pieces)) - sum(map(len, seen)) if count else 0
