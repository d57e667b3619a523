from __future__ import annotations

import pytest

from domainlm.text.document import Document
from domainlm.text.tally import Tally, han_share_bin, length_bin


def document(text: str, language: str = "en", use: str = "pt,sft") -> Document:
    place = ("1", "s", "corpus", "p", "", 0, 1, "g", "[]", "")
    return Document(*place, text, "{}", "MIT", "official", "neutral", language=language, use=use)


@pytest.mark.parametrize(("chars", "expected"), [(0, "0"), (1, "1"), (3, "2"), (4, "4"), (1023, "512"), (1024, "1024")])
def test_bins_of_length(chars: int, expected: str) -> None:
    assert length_bin(chars) == expected


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, "0.0"), (0.099, "0.0"), (0.3, "0.3"), (0.95, "0.9"), (1.0, "0.9")]
)
def test_bins_of_the_han_share(share: float, expected: str) -> None:
    assert han_share_bin(share) == expected


def test_findings_count_occurrences_and_documents() -> None:
    tally = Tally()
    tally.add_kept(document("a" * 10), 0.0, {"personal_data_email": 3, "personal_data_phone": 0})
    tally.add_kept(document("b" * 20, "zh", "evaluation"), 0.8, {"personal_data_email": 1})
    stats = tally.as_stats()
    assert stats["found"] == {"personal_data_email": 4}
    assert stats["found_documents"] == {"personal_data_email": 2}
    assert stats["documents_by_role"] == {"corpus": 1, "evaluation": 1}
    assert stats["chars_by_language"] == {"en": 10, "zh": 20}
    assert stats["documents"] == stats["input"] == 2
