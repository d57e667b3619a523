from __future__ import annotations

import json
from typing import Any

from domainlm.instruction.questions import Asking, is_mostly_chinese, questions_of
from domainlm.text.document import Document, body_of

ASKING = Asking(seed=17, language="en", max_questions=5, max_answer_chars=320)


def document(
    identifier: str = "a", title: str = "Seizure", text: str = "", section: str = "HP:1", **meta: Any
) -> Document:
    labels = {"licence": "L", "authority": "unlabelled", "stance": "unlabelled"}
    place = {"source": "hpo", "role": "corpus", "path": "hp.obo", "section": section, "start": 0, "end": 1}
    return Document(
        id=identifier, group="g", links="[]", title=title, text=text or title, meta=json.dumps(meta), **place, **labels
    )


def term(identifier: str = "a", **changes: Any) -> Document:
    values = {
        "definition": "An event of abnormal brain activity",
        "synonyms": ["Fit", "Epileptic seizure", "Attack"],
        "parents": ["Neurological event", "Episode"],
    }
    return document(identifier, **{**values, **changes})


def test_a_term_gives_definition_parent_synonym_term_and_description() -> None:
    found = {question.kind: question for question in questions_of(term(), ASKING)}
    assert list(found) == ["definition", "parent", "synonym", "term", "description"]
    assert found["definition"].answer == "An event of abnormal brain activity."
    assert found["parent"].answer == "Seizure is a kind of Neurological event and Episode."
    assert found["synonym"].answer == "Seizure is also called Fit, Epileptic seizure and Attack."
    assert found["term"].answer == "Seizure."
    assert "abnormal brain activity" in found["term"].question
    assert found["description"].answer.endswith("activity. It is a kind of Neurological event and Episode.")
    assert all("Seizure" in question.question for kind, question in found.items() if kind != "term")


def test_at_most_so_many_questions() -> None:
    assert len(questions_of(term(), Asking(17, "en", 3, 320))) == 3


def test_a_definition_that_names_the_term_does_not_ask_for_it() -> None:
    kinds = [q.kind for q in questions_of(term(definition="A seizure is an event."), ASKING)]
    assert "term" not in kinds
    assert "definition" in kinds


def test_a_term_without_definition_is_asked_about_its_place() -> None:
    found = questions_of(term(definition="", synonyms=[]), ASKING)
    assert [question.kind for question in found] == ["parent"]
    assert questions_of(term(definition="", synonyms=[]), Asking(17, "en", 4, 320, 2)) == []


def test_a_document_of_few_questions_is_not_asked_about() -> None:
    found = questions_of(term(definition=""), Asking(17, "en", 4, 320, 3))
    assert [question.kind for question in found] == ["parent", "synonym", "name"]
    assert questions_of(term(definition=""), Asking(17, "en", 4, 320, 4)) == []
    # more than the maximum is not asked for
    assert len(questions_of(term(), Asking(17, "en", 2, 320, 3))) == 2


def test_a_definition_that_only_repeats_the_name_is_not_asked_for() -> None:
    bare = term(title="Abnormality of leukocyte", definition="An abnormality of leukocytes.")
    assert [question.kind for question in questions_of(bare, ASKING)] == ["parent", "synonym", "name"]
    telling = term(title="Abnormality of leukocyte", definition="An abnormality of white blood cells.")
    assert questions_of(telling, ASKING)[0].answer == "An abnormality of white blood cells."


def test_lists_of_names_are_whole_and_told_apart() -> None:
    many = [f"Name {letter}" for letter in "abcdefgh"]
    found = {question.kind: question.answer for question in questions_of(term(synonyms=many), Asking(17, "en", 5, 320))}
    assert (
        found["synonym"] == "Seizure is also called Name a, Name b, Name c, Name d, Name e, Name f, Name g and Name h."
    )
    commas = term(synonyms=["Deafness, sensorineural", "Hearing loss"])
    found = {question.kind: question.answer for question in questions_of(commas, ASKING)}
    assert found["synonym"] == "Seizure is also called Deafness, sensorineural; and Hearing loss."


def test_a_spelling_is_no_other_name() -> None:
    spelt = term(title="Raynaud phenomenon", synonyms=["Raynaud-phenomenon", "Raynaud's phenomenon"], definition="")
    assert [question.kind for question in questions_of(spelt, ASKING)] == ["parent", "synonym"]
    assert questions_of(spelt, ASKING)[1].answer == "Raynaud phenomenon is also called Raynaud's phenomenon."


def test_an_answer_is_never_cut() -> None:
    long = term(definition="word " * 100)
    assert all(q.kind in ("parent", "synonym", "name") for q in questions_of(long, ASKING))


def test_phrasing_depends_on_seed_and_document_only() -> None:
    first = [questions_of(term(str(index)), ASKING)[0].question for index in range(30)]
    assert first == [questions_of(term(str(index)), ASKING)[0].question for index in range(30)]
    assert len(set(first)) > 3
    other = Asking(18, "en", 5, 320)
    assert first != [questions_of(term(str(index)), other)[0].question for index in range(30)]


def test_a_name_with_braces_is_taken_as_it_is() -> None:
    assert "{x}" in questions_of(term(title="{x}"), ASKING)[0].question


def test_a_section_is_asked_about_by_its_heading() -> None:
    text = "Ridge\n\nRidge regression penalises the size of the coefficients. It has one parameter.\n\nMore."
    [found] = questions_of(document(title="Ridge", text=text, section="Linear models > Ridge"), ASKING)
    assert found.kind == "section"
    assert found.answer == "Ridge regression penalises the size of the coefficients. It has one parameter."
    assert "Ridge" in found.question
    assert "Linear models" in found.question


def test_a_section_without_heading_or_prose_gives_nothing() -> None:
    assert questions_of(document(title="", text="Some prose stands here."), ASKING) == []
    assert questions_of(document(title="Title", text="Title\n\n- a\n- b"), ASKING) == []


def test_chinese_text_is_asked_about_in_chinese() -> None:
    text = "打印文档\n\n选择“文件”菜单中的“打印”命令。可以指定页数。"
    assert is_mostly_chinese(text)
    [found] = questions_of(document(title="打印文档", text=text, section="打印文档"), ASKING)
    assert found.answer == "选择“文件”菜单中的“打印”命令。可以指定页数。"
    assert is_mostly_chinese(found.question)


def test_language_of_the_domain_decides_for_terms_in_latin_script() -> None:
    found = questions_of(term(), Asking(17, "zh", 5, 320))
    assert found[1].answer == "“Seizure”属于Neurological event和Episode。"


def test_an_answer_begins_where_its_sentence_does() -> None:
    # a rule of cleaning may take the heading out
    text = "Signals are sent while a request is handled. More."
    [found] = questions_of(document(title="Signals", text=text, section="Guide > Signals"), ASKING)
    assert found.answer == text
    assert body_of(document(title="Signals", text=f"Signals\n\n{text}")) == text
    assert body_of(document(title="Signals", text="Signals")) == ""


def test_fields_of_other_values_do_not_make_a_record_a_term() -> None:
    text = "Seizure\n\nA seizure is an event of the brain that is used to name many a disease of the nerves."
    for meta in (
        {"definition": "An event.", "parents": "Episode"},
        {"definition": "An event.", "parents": [1, 2]},
        {"definition": ["An event."], "parents": []},
        {"definition": "An event.", "parents": [], "synonyms": "Fit"},
    ):
        kinds = {question.kind for question in questions_of(document(text=text, **meta), ASKING)}
        assert kinds <= {"section", "definition", "topic"}
        assert not kinds & {"parent", "synonym", "term"}
