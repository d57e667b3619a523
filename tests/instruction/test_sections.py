from __future__ import annotations

from domainlm.instruction.asked import Asking, Question
from domainlm.instruction.questions import questions_of
from domainlm.text.document import Document

ASKING = Asking(seed=17, language="en", max_questions=5, max_answer_chars=320, min_questions=3)
HISTORY = """The use of aspirin was described by 3 authors before it was sold in shops. Its name was chosen by the firm that \
made it first, and in 1880 it was listed for the first time. In 1906 the makers had to send their papers on aspirin to the \
U.S. Food and Drug Administration, which asked for a trial with 100 patients and for a second one in children.

Today aspirin is made in 2 countries, and the price of it has hardly changed for 5 years in a row."""
PUMP = """The pump moves water from the well to the tank. It has two valves.

If the upper valve is left open, the water flows back into the well.

To drain the tank in winter, open both valves and wait for an hour.

The pump needs the following parts:

- a motor of 3 kW,
- two valves,
- a filter."""
PUMP_ZH = """水泵是一种把水从井里送到水箱的设备。它有两个阀门。

如果上方的阀门没有关好，水就会流回井里。

为了在冬天排空水箱，应当打开两个阀门并等待一个小时。

水泵需要下列零件：

- 一台三千瓦的电动机
- 两个阀门
- 一个过滤器"""


def ask(title: str, body: str, above: str = "", asking: Asking = ASKING, **changes: str) -> list[Question]:
    labels = {"licence": "L", "authority": "unlabelled", "stance": "unlabelled"}
    place = {"path": "guide.md", "group": "guide.md", "section": f"{above} > {title}" if above else title}
    values = {"title": title, "text": f"{title}\n\n{body}", "links": "[]", "meta": "{}", **labels, **place, **changes}
    return questions_of(Document(id="a", source="s", role="corpus", start=0, end=1, **values), asking)


def by_kind(found: list[Question]) -> dict[str, Question]:
    return {question.kind: question for question in found}


def test_answers_end_at_the_last_whole_sentence() -> None:
    found = ask("Aspirin and its history", HISTORY)
    assert [question.kind for question in found] == ["section", "year", "topic", "topic"]
    assert found[0].answer.endswith("and in 1880 it was listed for the first time.")
    assert found[1].answer.startswith("In 1906 the makers")
    assert found[1].answer.endswith("to the U.S. Food and Drug Administration, which asked for a trial with 100 patients and"
                                    " for a second one in children.")  # fmt: skip
    assert not any(question.answer.endswith("U.S.") for question in found)
    assert "aspirin today" in found[2].question
    assert all('"Aspirin and its history"' in question.question for question in found)


def test_several_kinds_are_asked() -> None:
    found = by_kind(ask("Water pump", PUMP, "Farm machines"))
    assert list(found) == ["section", "list", "how", "condition"]
    assert found["section"].answer == "The pump moves water from the well to the tank. It has two valves."
    assert found["list"].answer == "- a motor of 3 kW,\n- two valves,\n- a filter."
    assert "The pump needs the following parts:" in found["list"].question
    assert found["how"].answer == "To drain the tank in winter, open both valves and wait for an hour."
    assert "drain the tank in winter" in found["how"].question
    assert "if the upper valve is left open" in found["condition"].question
    assert all('"Water pump" (Farm machines)' in question.question for question in found.values())


def test_chinese_is_asked_about_equally() -> None:
    found = by_kind(ask("水泵的使用", PUMP_ZH, "农业机械"))
    assert list(found) == ["section", "definition", "list", "how", "condition"]
    assert found["section"].answer == "水泵是一种把水从井里送到水箱的设备。它有两个阀门。"
    assert "什么是水泵" in found["definition"].question or "解释水泵" in found["definition"].question
    assert found["list"].answer == "- 一台三千瓦的电动机\n- 两个阀门\n- 一个过滤器"
    assert "如果上方的阀门没有关好" in found["condition"].question
    assert all("“水泵的使用”（农业机械）" in question.question for question in found.values())


def test_a_heading_that_names_nothing_is_asked_about_by_its_chain() -> None:
    found = ask("Description", PUMP, "Farm machines > Water pump")
    assert len(found) == 4
    assert all('"Water pump > Description"' in question.question for question in found)
    alone = ask("Description", PUMP)
    assert all('"Description" in the file "guide.md"' in question.question for question in alone)


def test_a_section_that_gives_too_few_questions_gives_none() -> None:
    short = "The pump moves water from the well to the tank. It has two valves."
    assert ask("Water pump", short) == []
    [one] = ask("Water pump", short, asking=Asking(17, "en", 5, 320, 1))
    assert one.answer == short


def test_nothing_is_asked_whose_answer_would_be_a_part_or_a_pointer() -> None:
    body = """Caution

Do not open the upper valve before the motor has come to a full stop.

Table 2. The parts of the pump and what they are for.

See Section 4.2 for the list of valves that fit this pump and its motor.

The pump takes water as shown in the figure below, which has two parts.

- The first item of a list is a sentence, too, and it is not an answer.

$ pump --start. Then it runs for an hour and stops by itself.

```
The pump is started by this call. It then runs for an hour.
```

Is the pump in need of a filter if the water comes from a deep well?

1.2. The pump and its valves, a table of contents of the whole manual.

This flexibility is attained by a second valve that is closed by hand."""
    assert ask("Water pump", body, asking=Asking(17, "en", 5, 320, 1)) == []


def test_a_list_is_answered_whole_or_not_at_all() -> None:
    body = "The pump needs the following parts:\n\n- a motor of 3 kW\n- two valves that close by themselves"
    assert [q.kind for q in ask("Water pump", body, asking=Asking(17, "en", 5, 320, 1))] == ["list"]
    assert ask("Water pump", body, asking=Asking(17, "en", 5, 40, 1)) == []


def test_an_option_is_asked_about_by_its_name() -> None:
    body = "--cache=<yes|no>\n\nSays whether the lines that were read are kept in memory for the next call."
    [found] = ask("read", body, asking=Asking(17, "en", 5, 320, 1))
    assert found.kind == "entry"
    assert '"--cache=<yes|no>"' in found.question


def test_no_answer_is_given_twice() -> None:
    found = ask("Water pump", f"{PUMP}\n\n{PUMP}")
    answers = [question.answer for question in found]
    assert len(answers) == len(set(answers))


def test_a_first_sentence_may_mean_the_heading() -> None:
    body = "This method reads a file and returns its lines in order.\n\nOther prose."
    [found] = ask("reader.read()", body, asking=Asking(17, "en", 5, 320, 1))
    assert found.answer == "This method reads a file and returns its lines in order."


def test_a_part_of_a_section_that_was_cut_begins_no_account() -> None:
    body = "it goes on here in the middle of a sentence. They are closed by hand, and they last for years."
    assert ask("Water pump", body, asking=Asking(17, "en", 5, 320, 1)) == []
