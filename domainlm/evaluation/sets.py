"""The held-out sets that models are compared on.

In: documents and questions that no model was trained on, the tokenizer. Out: sets of items for lm-eval, each item a
plain mapping that names its document. Property kept: items are the first ones by a stable hash, so a larger limit
adds items and changes none, and every model gets the same ones.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from heapq import heapify, heappop
from itertools import islice
from typing import Any

from domainlm.evaluation.scoring import encode_answer, encode_pair
from domainlm.text.document import Document, body_of
from domainlm.text.sentences import first_prose
from domainlm.text.stable_hash import stable_hash
from domainlm.tokens.chat import ConversationError
from domainlm.tokens.special import SpecialTokens

# a long body would outweigh a hundred definitions, and its later parts are hardly about the heading
MAX_BODY_TOKENS = 128
# one row of scoring.ROW_TOKENS with the token in front
TOKENS_PER_TEXT = 511
CHOICES = 4
MAX_CHOICE_CHARS = 320

Item = Mapping[str, Any]


@dataclass(frozen=True)
class HeldOutSet:
    """A set of items with lm-eval's output type.

    Items have id, document, and the fields of their type: context, continuation, choices, gold. is_prompted: contexts
    are prompts of the chat template, not the beginnings of documents.
    """

    name: str
    output_type: str
    items: tuple[Item, ...]
    is_prompted: bool = False


@dataclass(frozen=True)
class Turn:
    """A question and its answer as the chat template writes them.

    prompt: what precedes the answer's own words. said: those, up to the end of the turn. asked: the prompt to answer,
    which some templates open with more than they write before an answer.
    """

    prompt: str
    said: str
    asked: str


# raises ConversationError for a question and an answer that the template does not render
TurnOf = Callable[[str, str], Turn]


@dataclass(frozen=True)
class Encoder:
    """The tokenizers of prompts and of documents, with their control tokens.

    Both are of the `tokenizers` library. tokenizer: of prompts, whose control tokens are the chat template's. texts: of
    documents, in which their names are text.
    """

    tokenizer: Any
    texts: Any
    tokens: SpecialTokens

    def count(self, context: str, continuation: str) -> int:
        found = encode_pair(self.texts, context, continuation, self.tokens)
        return len(found.ids) - found.first

    def count_answer(self, turn: Turn) -> int:
        found = encode_answer(self.tokenizer, turn.prompt, turn.said)
        return len(found.ids) - found.first

    def cut(self, text: str, max_tokens: int) -> str:
        """The text up to its token number max_tokens."""
        offsets = self.texts.encode(text, add_special_tokens=False).offsets
        return text if len(offsets) <= max_tokens else text[: offsets[max_tokens - 1][1]]


def by_stable_hash(documents: Iterable[Document], seed: int) -> list[Document]:
    return sorted(documents, key=lambda document: stable_hash(seed, document.id))


def statement_of(document: Document) -> str:
    """The statement of a document about its title, or an empty text.

    It is a term's definition, or the whole body.
    """
    definition = json.loads(document.meta).get("definition")
    return definition if isinstance(definition, str) else body_of(document)


def definitions(documents: Iterable[Document], encoder: Encoder, limit: int, seed: int) -> HeldOutSet:
    """The definition given the name, in the form of training text.

    That is name, blank line, definition.
    """
    items: list[Item] = []
    for document in by_stable_hash(documents, seed):
        continuation = encoder.cut(statement_of(document), MAX_BODY_TOKENS)
        context = f"{encoder.cut(document.title, MAX_BODY_TOKENS)}\n\n" if document.title else ""
        if continuation and len(items) < limit:
            items.append(_likelihood_item(document.id, document.id, context, continuation, encoder))
    return HeldOutSet("definitions", "loglikelihood", tuple(items))


def questions_in_turn(rows: Iterable[Mapping[str, Any]], seed: int) -> list[Mapping[str, Any]]:
    """Questions by a stable hash, documents taking turns.

    Each document's first question precedes any document's second.
    """
    order = sorted(rows, key=lambda row: stable_hash(seed, row["id"]))
    asked: dict[str, int] = {}
    turns = []
    for position, row in enumerate(order):
        turns.append((asked.get(row["document"], 0), position, row))
        asked[row["document"]] = turns[-1][0] + 1
    return [row for _, _, row in sorted(turns, key=lambda turn: turn[:2])]


def answers(rows: Iterable[Mapping[str, Any]], turn_of: TurnOf, encoder: Encoder, limit: int) -> HeldOutSet:
    """The reference answer given the question in the chat template."""
    items = []
    for row, turn in islice(_rendered(rows, turn_of), limit):
        kept = {"id": row["id"], "document": row["document"], "kind": row["kind"]}
        said = {"context": turn.prompt, "continuation": turn.said, "tokens": encoder.count_answer(turn)}
        items.append({**kept, **said})
    return HeldOutSet("answers", "loglikelihood", tuple(items), is_prompted=True)


def generations(rows: Iterable[Mapping[str, Any]], turn_of: TurnOf, limit: int) -> HeldOutSet:
    """The same questions, to be answered."""
    items = []
    for row, turn in islice(_rendered(rows, turn_of), limit):
        question, answer = (message["content"] for message in row["messages"][:2])
        kept = {"id": row["id"], "document": row["document"], "kind": row["kind"], "question": question}
        items.append({**kept, "context": turn.asked, "continuation": answer})
    return HeldOutSet("generations", "generate_until", tuple(items), is_prompted=True)


def _rendered(rows: Iterable[Mapping[str, Any]], turn_of: TurnOf) -> Iterator[tuple[Mapping[str, Any], Turn]]:
    """Rows that the template renders, as sft_tokens keeps them."""
    for row in rows:
        question, answer = (message["content"] for message in row["messages"][:2])
        try:
            yield row, turn_of(question, answer)
        except ConversationError:
            continue


def choices(documents: Iterable[Document], limit: int, seed: int) -> HeldOutSet:
    """Multiple choice: the statement that belongs to the title, among four.

    The wrong ones are of the nearest terms: one parent, one group.
    """
    pool = [(document, short) for document in by_stable_hash(documents, seed) if (short := _short_statement(document))]
    nearest = _nearest_statements(pool, seed)
    items: list[Item] = []
    for at, (document, right) in enumerate(pool):
        if len(items) == limit:
            break
        wrong = list(islice(nearest(at), CHOICES - 1))
        if len(wrong) == CHOICES - 1:
            gold = int.from_bytes(stable_hash(seed, f"{document.id}\0gold")[:8], "big") % CHOICES
            statements = [*wrong[:gold], right, *wrong[gold:]]
            kept = {"id": document.id, "document": document.id, "context": f"{document.title}\n\n"}
            items.append({**kept, "choices": statements, "gold": gold})
    return HeldOutSet("choices", "multiple_choice", tuple(items))


def _nearest_statements(pool: list[tuple[Document, str]], seed: int) -> Callable[[int], Iterator[str]]:
    """The other statements of a pool, the nearest first, each once.

    Those that share a link come first, of them those of its group; like ones are in the order of a stable hash. The pool
    is looked through only where the near ones do not suffice.
    """
    links = [frozenset(json.loads(document.links)) for document, _ in pool]
    by_link: dict[str, set[int]] = {}
    by_group: dict[str, set[int]] = {}
    for at, (document, _) in enumerate(pool):
        by_group.setdefault(document.group, set()).add(at)
        for link in links[at]:
            by_link.setdefault(link, set()).add(at)

    def nearest(at: int) -> Iterator[str]:
        document, right = pool[at]
        linked = set[int]().union(*(by_link[link] for link in links[at]))
        group = by_group[document.group]
        said = {right}
        rings: tuple[Callable[[], set[int]], ...] = (
            lambda: linked & group,
            lambda: linked - group,
            lambda: group - linked,
            lambda: set(range(len(pool))) - linked - group,
        )
        for near in rings:
            others = ((other, pool[other]) for other in near())
            queue = [
                (stable_hash(seed, f"{document.id}\0{other.id}"), number)
                for number, (other, text) in others
                if text != right and other.title != document.title
            ]
            heapify(queue)
            while queue:
                text = pool[heappop(queue)[1]][1]
                if text not in said:
                    said.add(text)
                    yield text

    return nearest


def running_text(name: str, documents: Iterable[Document], encoder: Encoder, max_tokens: int, seed: int) -> HeldOutSet:
    """The beginnings of texts, up to `max_tokens` in all.

    There is one of each group (article, file), then of each a second. So there are few tokens of many texts and not
    all of a few, as the interval is over texts.
    """
    seen: dict[str, int] = {}
    turns = []
    for position, document in enumerate(by_stable_hash(documents, seed)):
        turns.append((seen.get(document.group, 0), position, document))
        seen[document.group] = turns[-1][0] + 1
    items: list[Item] = []
    left = max_tokens
    for _, _, document in sorted(turns, key=lambda turn: turn[:2]):
        text = encoder.cut(document.text, min(TOKENS_PER_TEXT, left))
        tokens = encoder.count("", text)
        if text:
            items.append({"id": document.id, "document": document.id, "continuation": text, "tokens": tokens})
        left -= tokens
        if left <= 0:
            break
    return HeldOutSet(name, "loglikelihood_rolling", tuple(items))


def by_source(documents: Iterable[Document]) -> Iterator[tuple[str, list[Document]]]:
    found: dict[str, list[Document]] = {}
    for document in documents:
        found.setdefault(document.source, []).append(document)
    yield from sorted(found.items())


def _short_statement(document: Document) -> str:
    """A statement short enough to choose among four.

    Of a running text, it is the first sentences.
    """
    definition = json.loads(document.meta).get("definition")
    if not document.title:
        return ""
    return definition if isinstance(definition, str) else first_prose(body_of(document), MAX_CHOICE_CHARS)


def _likelihood_item(name: str, document: str, context: str, continuation: str, encoder: Encoder) -> dict[str, Any]:
    tokens = encoder.count(context, continuation)
    return {"id": name, "document": document, "context": context, "continuation": continuation, "tokens": tokens}
