"""The text of the open block, while a page's tree is walked.

In: the texts of a page in order, and the elements that say another text than they hold. Out: entries of the flow; and
for the block that is open, how much text, link text and prose is in it. Texts between two breaks are one run, because
only together they are a sentence, a row of links, or the word that a raised number belongs to.
"""

from __future__ import annotations

from typing import Any

from domainlm.text.reading.html_blocks import Blocks
from domainlm.text.reading.html_elements import (
    CELLS,
    COLLAPSED,
    IS_BREAK,
    IS_COUNTED,
    IS_HIDDEN,
    IS_OTHER,
    IS_READ_INSTEAD,
    KEPT,
    LINES_KEPT,
    is_in_sentence,
    prose_chars,
)
from domainlm.text.reading.html_formula import formula_of
from domainlm.text.reading.html_inline import formula_picture, formula_script, lowered, raised
from domainlm.text.reading.html_marks import CODE_BLANK, JOINT, LINE, MIN_WIDE, is_wide, with_plain_blanks
from domainlm.text.reading.html_names import MAX_STEP_CHARS, STEP_PLACE, STEP_WORD, leads_through_a_book
from domainlm.text.reading.html_steps import are_steps

# text before a raised character
_MAX_CHARS_BEFORE = 20
# an item is one row of several
_ITEMS = frozenset(("li", "dt", "dd"))


# blanks of a row's cell: lines would take the row apart
_KEPT_IN_ROW = -1


def with_spacing(text: str, spacing: int) -> str:
    """A text whose blanks stay, or whose lines."""
    if spacing == LINES_KEPT:
        return LINE.join(map(with_plain_blanks, text.split("\n")))
    return with_plain_blanks(text) if spacing == _KEPT_IN_ROW and "\n" in text else text.replace(" ", CODE_BLANK)


class Run:
    """The run of text that is open, and where.

    block: open block of the found ones; flow: theirs. preformatted, links: how many such elements are open; serial: of the last link,
    target: where it leads, leads_out: whether out of the book. run: texts since the last break, which began at run_start
    of the flow; run_links: characters of links among them; run_steps: links through a book, and what says so. spacing: how
    whitespace is shown. gutters: how many elements named as line numbers are open. places: in the stack of open elements,
    of those and of elements that show whitespace in another way; spacings: of each the way before it, None for a gutter.
    """

    __slots__ = (
        "block", "flow", "found", "gutters", "leads_out", "links", "places", "preformatted", "run", "run_links", "run_start", "run_steps",
        "serial", "spacing", "spacings", "target",
    )  # fmt: skip

    def __init__(self) -> None:
        self.found = Blocks()
        self.flow = self.found.flow
        self.block = self.found.open(0, "body")
        self.preformatted = self.links = self.serial = 0
        self.spacing = COLLAPSED
        self.gutters = 0
        self.places: list[int] = []
        self.spacings: list[int | None] = []
        self.run: list[str] = []
        self.run_links = self.run_start = 0
        self.run_steps: dict[int, int] = {}
        self.target = ""
        self.leads_out = False

    def open_gutter(self, place: int) -> None:
        self.gutters += 1
        self.places.append(place)
        self.spacings.append(None)

    def open_spacing(self, spacing: int, place: int, is_in_table: bool) -> None:
        """Show whitespace in another way up to the end of an element."""
        self.places.append(place)
        self.spacings.append(self.spacing)
        if is_in_table and not self.preformatted:
            spacing = _KEPT_IN_ROW if spacing == KEPT else COLLAPSED
        self.spacing = spacing

    def close_places(self, place: int) -> None:
        """End what the element of this place began."""
        while self.places and self.places[-1] == place:
            self.places.pop()
            before = self.spacings.pop()
            if before is None:
                self.gutters -= 1
            else:
                self.spacing = before

    def end_run(self) -> None:
        """Count the texts since the last break for the open block.

        There is one at least, which the caller has seen: most blocks hold none of their own.
        """
        found, block, links = self.found, self.block, self.run_links
        text = "".join(self.run).strip()
        chars = len(text)
        if len(self.run_steps) > 1 and 2 * links > chars and self.is_step_row():
            # nothing but links through a book, between two breaks
            del found.flow[self.run_start :]
            while found.linked and found.linked[-1] >= self.run_start:
                found.linked.pop()
            found.removed += chars
        else:
            found.chars[block] += chars
            if links:
                found.link_chars[block] += min(links, chars)
            if self.preformatted:
                found.prose[block] += chars
            else:
                found.prose[block] += prose_chars(text, links)
        self.run.clear()
        self.run_links = 0
        self.run_steps.clear()

    def is_step_row(self) -> bool:
        """Whether the run is a row of links through a book.

        In an item, or in a cell behind others, it is what a row says of something.
        """
        found, block = self.found, self.block
        tag = found.tag[block]
        if tag in _ITEMS or (tag in CELLS and found.parent[block] != block - 1):
            return False
        linked = set(found.linked[-len(self.run) :])
        ours = enumerate(found.flow[self.run_start :], self.run_start)
        return are_steps(self.run_steps.values(), [text for index, (_, text, _) in ours if index not in linked])

    def read(self, text: str) -> None:
        run, flow = self.run, self.flow
        if not run:
            self.run_start = len(flow)
        if self.spacing and (self.preformatted or not text.isspace()):
            # a blank of its own kind is elsewhere a word processor's tab
            text = text.replace("\xa0", " ")
            flow.append((self.block, with_spacing(text, self.spacing), 0))
        elif text.isspace():
            # whitespace at the start of a block shows nothing
            if run:
                # most texts are of scripts with spaces
                is_joint = run[-1][-1:] >= MIN_WIDE and "\n" in text and is_wide(run[-1][-1])
                flow.append((self.block, JOINT if is_joint else " ", 0))
                run.append(" ")
            return
        else:
            text = with_plain_blanks(text)
            flow.append((self.block, text, 0))
        run.append(text)
        if self.links:
            self.run_links += len(text)
            self.found.linked.append(len(flow) - 1)
            if self.leads_out:
                self.found.outer_link_chars += len(text)
            if len(text) <= MAX_STEP_CHARS and leads_through_a_book(text):
                self.count_step(STEP_WORD)

    def count_step(self, kind: int) -> None:
        """Remember that the open link leads through a book."""
        steps = self.found.steps.setdefault(self.block, {})
        if self.target.startswith("#"):
            kind |= STEP_PLACE
        steps[self.serial] = self.run_steps[self.serial] = steps.get(self.serial, 0) | kind

    def before(self) -> str:
        """The end of the text before."""
        return "".join(self.run[-3:])[-_MAX_CHARS_BEFORE:]

    def read_instead(self, node: Any, tag: str) -> bool:
        """Read what an element says in another way than by its text.

        Returns False if it is to be read as it is.
        """
        if tag == "math":
            self.read(formula_of(node))
        elif tag == "script":
            formula = formula_script(node)
            if formula:
                self.read(formula if self.run else f"{LINE}{formula}{LINE}")
        elif tag == "img":
            formula = formula_picture(node)
            if formula:
                self.read(formula)
        elif tag == "button":
            return self.preformatted > 0 or not is_in_sentence(node)
        elif tag == "sup" or tag == "sub":
            text = raised(node, self.before()) if tag == "sup" else lowered(node, self.before())
            if text is None:
                return False
            self.read(text)
        return True

    def is_at_line_of_code(self) -> bool:
        return self.preformatted > 0 and (not self.run or self.run[-1].endswith("\n"))

    def pass_by(self, node: Any, tag: str, way: int) -> int:
        """Read what an element says that is not entered, if anything.

        Returns whether it is hidden, or is to be read as it is.
        """
        if way == IS_READ_INSTEAD:
            return IS_HIDDEN if self.read_instead(node, tag) else IS_OTHER
        if way == IS_BREAK:
            if self.run:
                self.end_run()
            self.flow.append((self.block, LINE, 0))
        elif way == IS_COUNTED:
            self.count_removed(node)
        return IS_HIDDEN

    def count_removed(self, node: Any) -> None:
        """Count the text of menus, feet and asides that are excluded."""
        self.found.removed += len(" ".join((node.text() or "").split()))
