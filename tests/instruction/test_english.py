from __future__ import annotations

import pytest

from domainlm.instruction.english import asked_by
from domainlm.instruction.english_pointing import is_about_heading, is_dangling, is_pointing, is_reference


def asked(sentence: str, name: str = "", lower: str = "") -> list[tuple[str, str]]:
    found = asked_by(sentence, {name.lower()}, lower.split().__contains__)
    return [(one.form, next(iter(one.values.values()))) for one in found]


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("A slice is a reference to a part of a string.", ("what_is", "a slice")),
        ("AppArmor (from 2009) is a system for access control.", ("what_is", "AppArmor")),
        ("UTF stands for a transformation format of Unicode.", ("what_is", "UTF")),
        ("If the joined path is empty, a dot is returned.", ("condition", "if the joined path is empty")),
        (
            "When the fever lasts for three days, you should see a doctor.",
            ("condition_order", "when the fever lasts for three days"),
        ),
        ("If you wish to update the time, use the NTP service.", ("condition_order", "if you wish to update the time")),
        (
            "The new default is off because most programs share no variables.",
            ("reason", "the new default is off"),
        ),
        ("To copy between two windows, use the right mouse button.", ("how", "copy between two windows")),
        ("In order to stop the pump, press the red button twice.", ("how", "stop the pump")),
        ("The callback can be used to implement flow control.", ("use", "can be used to implement flow control")),
        ("In 1906 the makers had to send their papers to an agency.", ("year", "1906")),
        ("The mkfs command creates the filesystem on a disk.", ("topic", "the mkfs command")),
        ("By default, the journal daemon keeps its files in memory.", ("topic", "the journal daemon")),
        ("Unknown types should be ignored by every reader.", ("topic", '"Unknown types"')),
    ],
)
def test_what_a_sentence_answers(sentence: str, expected: tuple[str, str]) -> None:
    assert expected in asked(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "This is a list of things.",
        "It is a system for access control.",
        "If it is empty, a dot is returned by the call.",
        "If set to no, a dot is returned by the call.",
        "If the test fails, an error is reported.",
        "To do this, use the right mouse button.",
        "To date, nobody has found the reason.",
        "The file is a list of names.",
        "The result is then reduced by half.",
        "The first is a list of names.",
        "Care should be taken with large files.",
        "Ensuring programs are free of races is hard.",
        "Since a container is a light form of isolation, many fit.",
        "The postfix server can use this information too.",
        "Optional packages whose bugs are not fixed are dropped.",
        "The most common scheme is a rotating archive.",
        "To show special rights, you can put a digit before this number.",
        "Mod-security is the main such module of the server.",
        "The work costs time etc. Encrypted data becomes lost without its key.",
        "Zero is the lowest possible score.",
        "However, the kernel is a large program.",
    ],
)
def test_what_points_outside_or_names_nothing_is_not_asked_about(sentence: str) -> None:
    assert asked(sentence) == []


def test_the_heading_itself_is_no_topic_but_may_be_defined() -> None:
    assert asked("The update command is a tool for packages.", "update command") == [("what_is", "the update command")]


def test_a_common_word_is_asked_about_where_the_heading_names_it() -> None:
    sentence = "Today aspirin is made in 2 countries, and the price has hardly changed."
    assert asked(sentence, "Aspirin and its history", "aspirin") == [("topic", "aspirin today")]
    assert asked("Pipelines require all steps to be fitted.", "", "pipelines") == []


@pytest.mark.parametrize(
    "sentence",
    [
        "The options are as follows.",
        "LVM requires the following.",
        "It is shown in the figure below.",
        "You need to make following actions.",
        "Here is a list of choices.",
        "The call takes (int level, ...)",
        "As described above, the pump stops.",
    ],
)
def test_a_sentence_that_points_to_what_stands_beside_it(sentence: str) -> None:
    assert is_dangling(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "See Section 4.",
        "See also `read`.",
        "For more information, see the manual.",
        "Please refer to the guide.",
        "More details can be found elsewhere.",
        "The format is described in Section 2.",
        "Usage: tool [OPTION] FILE",
    ],
)
def test_a_bare_reference(sentence: str) -> None:
    assert is_reference(sentence)


def test_the_beginning_of_a_section_may_point_to_its_heading() -> None:
    assert is_about_heading("This method returns a list.")
    assert is_about_heading("It returns a list.")
    assert not is_about_heading("This flexibility is attained by three layers.")
    assert is_pointing("This method returns a list.")
    assert is_pointing("5.1. I tried it.")
    assert not is_pointing("The method returns a list.")
