from __future__ import annotations

from domainlm.text.cleaning.parts import Parts, duplicated


def test_parts() -> None:
    parts = Parts("Don't use np.array, 1,000 times!\n\n肺 2\n\u3000")
    assert parts.paragraphs == ["Don't use np.array, 1,000 times!", "肺 2\n\u3000"]
    assert parts.lines == ["Don't use np.array, 1,000 times!", "肺 2"]
    assert parts.tokens == ["Don", "'t", "use", "np.array", ",", "1,000", "times", "!", "肺", "2"]
    assert parts.words == 8
    assert parts.mean_word_chars == (3 + 2 + 3 + 8 + 5 + 5 + 1 + 1) / 8
    assert parts.alphabetic == 6
    assert (parts.heaviest(1), parts.heaviest(0)) == (9, 8)
    assert parts.longest_repeated == 0
    assert Parts("a bb a bb").longest_repeated == 2


def test_duplicated() -> None:
    assert duplicated(["a", "bb", "a", "bb", "bb"]) == (3, 5)
    assert duplicated(["a", "b"]) == (0, 0)
