"""Artifact `pt_tokens`: the split documents as packed token files.

In: `corpus_split` (train, validation) and `base_model` (tokenizer, control tokens). Out: packed rows, sidecar,
meta.json. A document's text follows the tokens that the tokenizer puts before a text, if any, and is followed by the
end-of-text token, which is learned like any other. Control tokens written out inside a text stay text: only this stage
ends a document.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from domainlm.config.pretraining import PtTokensSlice
from domainlm.contract import Inputs, Resources, Stats
from domainlm.models.positions import check_row_length
from domainlm.text.document import read_documents
from domainlm.tokens.files import SPLITS, write_meta, write_split
from domainlm.tokens.packing import TokenSequence
from domainlm.tokens.special import SpecialTokens, naming_source, read_special_tokens, source_name
from domainlm.tokens.spelled_out import read_text_tokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer

DOCUMENTS_PER_BATCH = 1000


def run(inputs: Inputs, config: PtTokensSlice, out: Path, scratch: Path, resources: Resources) -> Stats:
    section = config.section
    base = inputs.folders["base_model"]
    with naming_source(source_name(base)):
        check_row_length(base, section.sequence_length, "pt_tokens.sequence_length")
    tokens = read_special_tokens(base)
    tokenizer = read_text_tokenizer(base)
    figures = {}
    for done, split in enumerate(SPLITS):
        resources.progress(done, len(SPLITS), {})
        documents = inputs.folders["corpus_split"] / f"{split}.parquet"
        sequences = list(tokenise(tokenizer, documents, tokens))
        figures[split] = write_split(out, split, sequences, section.sequence_length, tokens.pad_id)
    return write_meta(out, figures, section.sequence_length, tokens.pad_id, tokens.end_of_text_id)


def tokenise(tokenizer: Tokenizer, documents: Path, tokens: SpecialTokens) -> Iterator[TokenSequence]:
    """Ids of each document with its borders, labels from its text on.

    Packing removes the label of a segment's first token.
    """
    import numpy as np

    # some tokenizers read a control token out of letters (Unigram): there it steers nothing, and is not learned
    control = [number for number, token in tokenizer.get_added_tokens_decoder().items() if token.special]
    remaining = read_documents(documents)
    while batch := list(islice(remaining, DOCUMENTS_PER_BATCH)):
        encodings = tokenizer.encode_batch_fast([document.text for document in batch], add_special_tokens=False)
        for document, encoding in zip(batch, encodings, strict=True):
            ids = np.array([*tokens.text_start_ids, *encoding.ids, tokens.end_of_text_id], dtype=np.int32)
            loss_mask = np.ones(len(ids), dtype=np.uint8)
            loss_mask[: len(tokens.text_start_ids)] = 0
            loss_mask[len(tokens.text_start_ids) : -1][np.isin(encoding.ids, control)] = 0
            yield TokenSequence(document.id, document.source, ids, loss_mask)
