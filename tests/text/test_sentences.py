from __future__ import annotations

import pytest

from domainlm.text.sentences import first_prose, first_sentences, sentence_ends, sentences_of

# each row is what a text has to be cut into
ENGLISH = [
    ["Acme Inc. USA is expanding its team.", "It hires."],
    ["Beta Corp. North America leads.", "Others follow."],
    ["It was bought by Acme Inc.", "The price was low."],
    ["Martin Luther King Jr. Day is a holiday."],
    ["The office opens on Jan. 5 in the hall.", "All may come."],
    ["See Eq. 4 for the sum.", "It is finite."],
    ["The meeting is at 9 a.m. Monday.", "Bring the list."],
    ["At 5 a.m. Mr. Smith went to the bank.", "He left the bank at 6 p.m.", "Mr. Smith then went home."],
    ["He left at 6 p.m. GMT on Friday."],
    ["She holds a Ph.D. in botany.", "He holds a Ph.D.", "The title counts."],
    ["It was sent to the U.S. Food and Drug Administration.", "A trial followed."],
    ["He moved to the U.S.", "The move was hard."],
    ["Ask Dr. No about it.", "He knows."],
    ["J. R. R. Tolkien wrote it.", "Then he slept."],
    ["I want the letter A.", "I said so."],
    ["T. rex was large.", "It ate meat."],
    ["Values above 3.5 mg count.", "Others do not."],
    ["The ratio is x.", "Then it falls to y."],
    ["No. 5 is red.", "The answer is no.", "He left."],
    ["Bring eggs, milk, etc.", "Then bake."],
    ["Yan et al. [2004] saw it.", "Others did not."],
    ["See https://example.org/a.b?c=d.e and example.com.", "Both are free."],
    ['He said "Stop."', "She went on."],
    ["“Will it hurt?” she asked.", "It did not."],
    ["(It was late.)", "They left."],
    ["1. Open the file.", "2. Save it."],
    ["The test was done in 1999.", "25 people came."],
    ["Call foo.bar() first.", "It returns x."],
    ["It stopped...", "Or so they say."],
    ["Use it, e.g. The first one, or i.e. In full.", "Yes."],
]
OTHERS = [
    ["Wie Abb. 4 zeigt, fällt der Wert.", "Danach steigt er."],
    ["Das gilt z. B. Hier und z.B. Dort (vgl. Tab. 2).", "Mehr nicht."],
    ["Am 5. Mai war es warm.", "Im 19. Jahrhundert nicht."],
    ["Er kaufte Brot, Käse usw.", "Die Tür war zu."],
    ["M. Dupont est là.", "Il dort."],
    ["Véase la pág. 4 del libro.", "El resto es fácil."],
    ["Это т. е. Москва, см. рис. 4.", "Он там."],
]
UNSPACED = [
    ["这是第一句。", "这是第二句！", "真的吗？！", "是的。"],
    ["他说：“好！”", "然后走了。"],
    ["“好！”他说。", "她走了。"],
    ["长度为3.5厘米。", "参见example.com。"],
    ["「これは本です。」", "それはペンです。"],
    ["यह पहला है।", "यह दूसरा है।"],
]


@pytest.mark.parametrize("sentences", [*ENGLISH, *OTHERS], ids=lambda found: found[0])
def test_sentences_end_at_sentence_ends(sentences: list[str]) -> None:
    assert sentences_of(" ".join(sentences)) == sentences


@pytest.mark.parametrize("sentences", UNSPACED, ids=lambda found: found[0])
def test_sentences_without_spaces_between_them(sentences: list[str]) -> None:
    assert sentences_of("".join(sentences)) == sentences


def test_a_long_text_takes_linear_time() -> None:
    text = "A sentence of the U.S. Food Agency, e.g. No. 5. " * 20_000
    assert len(sentence_ends(text)) == 20_000


def test_only_whole_sentences_are_kept() -> None:
    text = "One sentence here. Another one there. A third, which is longer than the rest of them."
    assert first_sentences(text, 40) == "One sentence here. Another one there."
    assert first_sentences(text, 10) == ""


def test_a_cut_never_falls_at_an_abbreviation() -> None:
    text = (
        "The use of aspirin was described by 3 authors. In 1906 the makers sent their papers to the U.S. Food and Drug"
        " Administration, which asked for a trial."
    )
    assert first_sentences(text, 110) == "The use of aspirin was described by 3 authors."


def test_abbreviations_and_numbers_do_not_end_a_sentence() -> None:
    text = "Values above 3.5 mg, e.g. Those seen in adults (cf. Fig. Two), count. Others do not."
    assert first_sentences(text, 75) == "Values above 3.5 mg, e.g. Those seen in adults (cf. Fig. Two), count."


def test_what_follows_the_last_full_stop_is_left_out() -> None:
    assert first_sentences("A whole sentence. The rest is cut by a", 200) == "A whole sentence."


def test_chinese_sentences() -> None:
    assert first_sentences("这是第一句。这是第二句。第三句没有完", 100) == "这是第一句。这是第二句。"


def test_first_prose_passes_over_lists_and_code() -> None:
    body = ">>> x = [1, 2, 3]\n\n- an item\n- another\n\nThis paragraph is wrapped\nover two lines. It ends here."
    assert first_prose(body, 200) == "This paragraph is wrapped over two lines. It ends here."
