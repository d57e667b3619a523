"""Bootstrap intervals over documents.

In: per document a numerator and a weight. Out: their ratio of sums with a 95 % interval. Whole documents are
resampled, not tokens or questions, which are similar within one document and would make intervals too narrow.
Differences are paired: both models' figures of a drawn document enter together. The draws depend on seed, set and
number of documents only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from domainlm.text.stable_hash import stable_hash

if TYPE_CHECKING:
    import numpy as np

QUANTILES = (0.025, 0.975)
# draws held in memory at once: 8 bytes for each of them
DRAWS_PER_BLOCK = 2_000_000


@dataclass(frozen=True)
class Drawing:
    """The settings of the draws.

    label: the subject of the draws (a set), so that all models of a set share them.
    """

    seed: int
    label: str
    samples: int


@dataclass(frozen=True)
class Estimate:
    value: float
    low: float
    high: float


def rounded(value: float) -> float:
    """6 significant digits: below that, fp32 sums may differ between processors."""
    return float(f"{value:.6g}")


def by_document(
    documents: Sequence[str], numerators: Sequence[float], weights: Sequence[float]
) -> dict[str, tuple[float, float]]:
    """Sums of numerators and weights by document, in first-seen order."""
    found: dict[str, tuple[float, float]] = {}
    for document, numerator, weight in zip(documents, numerators, weights, strict=True):
        above, below = found.get(document, (0.0, 0.0))
        found[document] = (above + numerator, below + weight)
    return found


def ratio(figures: Mapping[str, tuple[float, float]], drawing: Drawing) -> Estimate:
    """Sum of numerators over sum of weights."""
    import numpy as np

    above, below = np.array(list(figures.values()), dtype=np.float64).T
    drawn = np.concatenate([above[i].sum(axis=1) / below[i].sum(axis=1) for i in _draws(drawing, len(above))])
    return _estimate(float(above.sum() / below.sum()), drawn)


def paired_difference(
    before: Mapping[str, tuple[float, float]], after: Mapping[str, tuple[float, float]], drawing: Drawing
) -> Estimate:
    """Ratio after minus ratio before, over the same documents.

    They are the documents of `before`, which `after` must hold as well.
    """
    import numpy as np

    old = np.array(list(before.values()), dtype=np.float64)
    new = np.array([after[document] for document in before], dtype=np.float64)
    drawn = np.concatenate(
        [
            new[i, 0].sum(axis=1) / new[i, 1].sum(axis=1) - old[i, 0].sum(axis=1) / old[i, 1].sum(axis=1)
            for i in _draws(drawing, len(old))
        ]
    )
    value = new[:, 0].sum() / new[:, 1].sum() - old[:, 0].sum() / old[:, 1].sum()
    return _estimate(float(value), drawn)


def _draws(drawing: Drawing, count: int) -> Iterator[np.ndarray]:
    """Indices [draws, count] with replacement, in blocks."""
    import numpy as np

    seed = int.from_bytes(stable_hash(drawing.seed, drawing.label)[:8], "big")
    generator = np.random.Generator(np.random.PCG64(seed))
    left = drawing.samples
    while left:
        block = min(left, max(1, DRAWS_PER_BLOCK // count))
        yield generator.integers(0, count, size=(block, count))
        left -= block


def _estimate(value: float, drawn: np.ndarray) -> Estimate:
    import numpy as np

    low, high = np.quantile(drawn, QUANTILES)
    return Estimate(value, float(low), float(high))
