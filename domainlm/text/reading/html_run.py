"""The text of the open block, while a page's tree is walked.

In: the texts of a page in order, and the elements that say another text than they hold. Out: entries of the flow; and
for the block that is open, how much text, link text and prose is in it. Texts between two breaks are one run, because
only together they are a sentence, a row of links, or the word that a raised number belongs to.
"""

from __future__ import annotations

from typing import Any

from domainlm.text.reading.html_blocks import Blocks
from domainlm.text.reading.html_elements import ROW_PARTS, is_in_sentence, prose_chars
from domainlm.text.reading.html_formula import formula_of
from domainlm.text.reading.html_inline import formula_picture, formula_script, lowered, raised
from domainlm.text.reading.html_marks import CODE_BLANK, JOINT, LINE, MIN_WIDE, is_wide, with_plain_blanks
from domainlm.text.reading.html_names import MAX_STEP_CHARS, leads_through_a_book

# text before a raised character
_MAX_CHARS_BEFORE = 20


class Run:
    """The run of text that is open, and where.

    block: open block of the found ones. preformatted, links: how many such elements are open; serial: of the last link.
    run: texts since the last break, which began at run_start of the flow; run_links, run_steps: characters of links,
    and links through a book, among them.
    """

    __slots__ = ("block", "found", "links", "preformatted", "run", "run_links", "run_start", "run_steps", "serial")

    def __init__(self) -> None:
        self.found = Blocks()
        self.block = self.found.open(0, "body")
        self.preformatted = self.links = self.serial = 0
        self.run: list[str] = []
        self.run_links = self.run_start = self.run_steps = 0

    def end_run(self) -> None:
        """Count the texts since the last break for the open block."""
        if self.run:
            found, block = self.found, self.block
            text = "".join(self.run).strip()
            if self.run_steps > 1 and 2 * self.run_links > len(text):
                # nothing but links through a book, between two breaks
                del found.flow[self.run_start :]
                found.removed += len(text)
            else:
                found.chars[block] += len(text)
                found.link_chars[block] += min(self.run_links, len(text))
                found.prose[block] += len(text) if self.preformatted else prose_chars(text, self.run_links)
            self.run.clear()
            self.run_links = self.run_steps = 0

    def read(self, text: str) -> None:
        if not self.run:
            self.run_start = len(self.found.flow)
        shown = text
        if self.preformatted:
            text = text.replace("\xa0", " ")
            shown = text.replace(" ", CODE_BLANK)
        elif text.isspace():
            # whitespace at the start of a block shows nothing
            if self.run:
                # most texts are of scripts with spaces
                is_joint = self.run[-1][-1:] >= MIN_WIDE and "\n" in text and is_wide(self.run[-1][-1])
                self.found.flow.append((self.block, JOINT if is_joint else " ", 0))
                self.run.append(" ")
            return
        else:
            text = shown = with_plain_blanks(text)
        self.found.flow.append((self.block, shown, 0))
        self.run.append(text)
        if self.links:
            self.run_links += len(text)
            if len(text) <= MAX_STEP_CHARS and leads_through_a_book(text):
                self.count_step()

    def count_step(self) -> None:
        """Remember that the open link leads through a book."""
        found, row = self.found, self.block
        while row and found.tag[row] in ROW_PARTS:
            row = found.parent[row]
        steps = found.steps.setdefault(row, set())
        if self.serial not in steps:
            steps.add(self.serial)
            self.run_steps += 1

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
