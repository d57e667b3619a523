from __future__ import annotations

from pathlib import Path

from domainlm.text.document import Document
from domainlm.text.token_counts import counted
from domainlm.tokens.tokenizer import read_tokenizer


def test_tokens_count_the_end_of_the_text(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.enable_truncation(2)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    documents = [
        Document(str(n), "s", "corpus", "p", "", n, 1, "g", "[]", "", "a " * n, "{}", "", "", "") for n in range(300)
    ]
    found = list(counted(documents, read_tokenizer(tmp_path)))
    assert [(document.id, tokens) for document, tokens in found] == [(str(n), n + 1) for n in range(300)]
    found = list(counted(documents[:3], read_tokenizer(tmp_path), 2))
    assert [tokens for _, tokens in found] == [2, 3, 4]
