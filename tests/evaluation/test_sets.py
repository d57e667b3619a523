from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import pytest
from material.tiny_models import sentencepiece

from domainlm.evaluation.scoring import encode_answer, encode_pair
from domainlm.evaluation.sets import (
    Encoder,
    Turn,
    answers,
    by_stable_hash,
    choices,
    definitions,
    generations,
    questions_in_turn,
    running_text,
)
from domainlm.text.document import Document
from domainlm.text.stable_hash import stable_hash
from domainlm.tokens.chat import ConversationError
from domainlm.tokens.special import SpecialTokens

TOKENS = SpecialTokens(0, "<end>", 0, "<end>", 0, 300)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    from tokenizers import Tokenizer, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate(["<end>", *alphabet, "ĊĊ", "ab"])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [("Ċ", "Ċ"), ("a", "b")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    texts = Tokenizer.from_str(tokenizer.to_str())
    texts.encode_special_tokens = True
    return Encoder(tokenizer, texts, TOKENS)


def document(identifier: str, text: str, title: str = "", group: str = "g", links: str = "[]", **meta: Any) -> Document:
    labels = {
        "source": "s",
        "role": "corpus",
        "licence": "L",
        "authority": "",
        "stance": "",
        "path": "p",
        "section": "",
    }
    place = {"start": 0, "end": 1, "group": group, "links": links}
    return Document(id=identifier, title=title, text=text, meta=json.dumps(meta), **place, **labels)


def test_only_tokens_of_the_continuation_are_scored(encoder: Encoder) -> None:
    found = encode_pair(encoder.texts, "name\n\n", "abc", TOKENS)
    pieces = [encoder.tokenizer.id_to_token(token) for token in found.ids]
    # alone, the context ends with one token of two line feeds; before a letter they are two
    assert "ĊĊ" in encoder.tokenizer.encode("name\n\n").tokens
    assert pieces[found.first :] == ["ab", "c"]
    assert pieces[: found.first] == [*"name", "Ċ", "Ċ"]


def test_a_token_across_the_border_belongs_to_the_continuation(encoder: Encoder) -> None:
    found = encode_pair(encoder.texts, "xa", "b", TOKENS)
    assert len(found.ids) - found.first == 1


def test_an_empty_context_is_the_end_of_text(encoder: Encoder) -> None:
    found = encode_pair(encoder.texts, "", "abc", TOKENS)
    assert found.ids[0] == 0
    assert found.first == 1
    assert len(found.ids) == 3


@pytest.mark.parametrize("context", ["", "name\n\n"])
def test_a_document_begins_with_the_tokens_that_the_tokenizer_puts_before_a_text(
    context: str, encoder: Encoder
) -> None:
    plain = encode_pair(encoder.texts, context, "abc", TOKENS)
    found = encode_pair(encoder.texts, context, "abc", replace(TOKENS, text_start_ids=(7, 8)))
    text = plain.ids if context else plain.ids[1:]
    assert found.ids == (7, 8, *text)
    assert found.ids[found.first :] == plain.ids[plain.first :]


def test_a_control_token_written_out_in_a_document_is_text_and_in_a_prompt_is_not(encoder: Encoder) -> None:
    for tokenizer in (encoder.tokenizer, encoder.texts):
        tokenizer.add_special_tokens(["<end>"])
    assert 0 not in encode_pair(encoder.texts, "says ", "<end>", TOKENS).ids
    assert encode_answer(encoder.tokenizer, "<end>", "yes").ids[0] == 0


def test_an_answers_tokens_are_those_of_the_whole_text() -> None:
    tokenizer = sentencepiece()
    found = encode_answer(tokenizer, "[q]", " A ra.")
    assert [tokenizer.id_to_token(token) for token in found.ids[found.first :]] == ["\u2581A", "\u2581", "r", "a", "."]
    # a token across the border is none that the model can give; the blank of a text's beginning is none of the answer
    found = encode_answer(tokenizer, "[q]", "(A")
    assert [tokenizer.id_to_token(token) for token in found.ids] == ["\u2581", "[", "q", "]", "(", "A"]
    assert found.first == 4


def test_an_answer_is_what_the_template_writes_and_one_that_it_changes_is_passed_over(encoder: Encoder) -> None:
    def turn_of(question: str, answer: str) -> Turn:
        if answer == "changed":
            raise ConversationError("template_changes_answer", "")
        return Turn(f"<{question}>", f" {answer} ", f"<{question}><think>")

    def row(name: str, answer: str) -> dict[str, Any]:
        messages = [{"role": "user", "content": name}, {"role": "assistant", "content": answer}]
        return {"id": name, "document": name, "kind": "k", "messages": messages}

    rows = [row("a", "changed"), row("b", "one"), row("c", "two"), row("d", "three")]
    found = answers(rows, turn_of, encoder, 2)
    assert [(item["context"], item["continuation"], item["tokens"]) for item in found.items] == [
        ("<b>", " one ", 5),
        ("<c>", " two ", 5),
    ]
    asked = generations(rows, turn_of, 2)
    assert [(item["context"], item["continuation"]) for item in asked.items] == [
        ("<b><think>", "one"),
        ("<c><think>", "two"),
    ]
    assert found.is_prompted
    assert asked.is_prompted


def test_definitions_of_terms_and_bodies_of_sections(encoder: Encoder) -> None:
    term = document("t", "Name\n\nIts definition. A comment.", "Name", definition="Its definition.")
    section = document("s", "Heading\n\nA body.", "Heading")
    items = {item["id"]: item for item in definitions([term, section], encoder, 10, 17).items}
    assert (items["t"]["context"], items["t"]["continuation"]) == ("Name\n\n", "Its definition.")
    assert (items["s"]["context"], items["s"]["continuation"]) == ("Heading\n\n", "A body.")
    assert items["s"]["tokens"] == encoder.count("Heading\n\n", "A body.")


def test_a_term_without_definition_and_a_long_body(encoder: Encoder) -> None:
    bare = document("t", "Name\n\nSynonyms: other.", "Name", definition="")
    long = document("s", "Heading\n\n" + "x y " * 500, "Heading")
    [item] = definitions([bare, long], encoder, 10, 17).items
    assert item["id"] == "s"
    assert item["tokens"] == 128


def test_a_larger_limit_adds_items_and_changes_none(encoder: Encoder) -> None:
    documents = [document(str(i), f"T{i}\n\nBody {i}.", f"T{i}") for i in range(20)]
    few, more = (definitions(documents, encoder, limit, 17).items for limit in (5, 9))
    assert len(few) == 5
    assert more[:5] == few
    assert definitions(reversed(documents), encoder, 5, 17).items == few


def test_each_document_is_asked_once_before_any_twice() -> None:
    rows = [{"id": f"{name}:{kind}", "document": name} for name in "abc" for kind in ("one", "two")]
    order = [row["document"] for row in questions_in_turn(rows, 17)]
    assert sorted(order[:3]) == sorted(order[3:]) == ["a", "b", "c"]


def test_wrong_choices_are_the_nearest_terms() -> None:
    def term(name: str, group: str, parent: str) -> Document:
        return document(name, name, name, group, json.dumps([parent]), definition=f"Of {name}.")

    siblings = [term(name, "g1", "p1") for name in ("a", "b")]
    same_group = [term(name, "g1", name) for name in ("c", "d")]
    others = [term(name, "g2", name) for name in ("e", "f", "h")]
    items = choices([*siblings, *same_group, *others], 10, 17).items
    [item] = [item for item in items if item["id"] == "a"]
    assert set(item["choices"]) == {"Of a.", "Of b.", "Of c.", "Of d."}
    assert item["choices"][item["gold"]] == "Of a."
    assert len({item["gold"] for item in items}) > 1


def test_too_few_terms_give_no_choices() -> None:
    assert choices([document("a", "a", "a", definition="Of a.")], 10, 17).items == ()


def test_running_text_takes_of_each_group_one_and_stops_at_its_tokens(encoder: Encoder) -> None:
    documents = [document(f"{group}{part}", "x y z " * 30, group=group) for group in "abcd" for part in range(3)]
    found = running_text("general_held_out", documents, encoder, 450, 17).items
    assert sum(item["tokens"] for item in found) == 450
    assert [item["id"][0] for item in found] == list(dict.fromkeys(item["id"][0] for item in found))


def test_a_definition_that_is_no_text_is_none(encoder: Encoder) -> None:
    text = "Pump\n\nIt moves water."
    found = definitions([document("a", text, "Pump", definition=["x", "y"])], encoder, 5, 17)
    assert [item["continuation"] for item in found.items] == ["It moves water."]


def sorted_for_each_item(documents: list[Document], limit: int, seed: int) -> list[dict[str, Any]]:
    """The definition of the set: for each item, all others by links, group and hash."""
    pool = [(each, json.loads(each.meta)["definition"]) for each in by_stable_hash(documents, seed)]
    items: list[dict[str, Any]] = []
    for one, right in pool:
        near = sorted(
            (other for other in pool if other[1] != right and other[0].title != one.title),
            key=lambda other: (
                set(json.loads(one.links)).isdisjoint(json.loads(other[0].links)),
                other[0].group != one.group,
                stable_hash(seed, f"{one.id}\0{other[0].id}"),
            ),
        )
        wrong = list(dict.fromkeys(text for _, text in near))[:3]
        if len(items) < limit and len(wrong) == 3:
            gold = int.from_bytes(stable_hash(seed, f"{one.id}\0gold")[:8], "big") % 4
            kept = {"id": one.id, "document": one.id, "context": f"{one.title}\n\n", "gold": gold}
            items.append({**kept, "choices": [*wrong[:gold], right, *wrong[gold:]]})
    return items


def test_wrong_choices_are_those_of_sorting_all_terms_for_each() -> None:
    draw = random.Random(5)
    terms = [
        document(
            f"d{number}",
            f"t{number}",
            f"t{draw.randrange(30)}",
            group=f"g{draw.randrange(12)}",
            links=json.dumps([f"l{draw.randrange(15)}" for _ in range(draw.randrange(3))]),
            definition=f"It is {draw.randrange(25)}.",
        )
        for number in range(60)
    ]
    expected = sorted_for_each_item(terms, 50, 17)
    assert len(expected) == 50
    assert list(choices(terms, 50, 17).items) == expected


def test_terms_are_parsed_once_for_all_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    terms = [document(f"d{n}", f"t{n}", f"t{n}", group=f"g{n // 5}", definition=f"Of {n}.") for n in range(200)]
    parsed: list[str] = []
    loads = json.loads
    monkeypatch.setattr("domainlm.evaluation.sets.json.loads", lambda text: (parsed.append(text), loads(text))[1])
    assert len(choices(terms, 100, 17).items) == 100
    assert len(parsed) <= 2 * len(terms)
