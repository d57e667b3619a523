"""Output to a person's terminal, a pipe or a log file.

In: lines and rich renderables, which contain names of files, labels, titles and error texts that strangers wrote.
Out: text that cannot steer a terminal: control characters are shown as escapes, square brackets and `:words:` stay,
and no name makes a second line. Every command and the build log print through this module, so that no command has to
think of it. Names are not escaped where they are read, because there they are paths. A stream that cannot encode a
letter shows its escape.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.text import Text

from domainlm.wording import STEERING, printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.segment import Segment

# columns of a table that goes to a file or another program
PIPE_WIDTH = 160


class PlainConsole(Console):
    """A console that prints every text literally.

    It reads no markup, no emoji names and no control characters, and highlights nothing.
    """

    def render_str(self, text: str, **options: Any) -> Text:
        options |= {"emoji": False, "markup": False, "highlight": False}
        return super().render_str(printable(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        if isinstance(renderable, Text) and STEERING.search(renderable.plain):
            escaped = renderable.copy()
            escaped.plain = printable(renderable.plain)
            renderable = escaped
        return super().render(renderable, options)


def console(is_error: bool = False) -> Console:
    """Standard output, or standard error.

    A table that goes to a file or a pipe is not cut to a terminal's width.
    """
    found = PlainConsole(stderr=is_error, soft_wrap=is_error)
    return found if found.is_terminal or is_error else PlainConsole(width=PIPE_WIDTH)


def line(*parts: str | tuple[str, str]) -> Text:
    """One line of texts, or of (text, style).

    Line feeds within a text are escaped, because rich would drop or follow them.
    """
    return Text.assemble(*(printable(p) if isinstance(p, str) else (printable(p[0]), p[1]) for p in parts))


def lines_of(message: str) -> list[str]:
    """A message's lines, all but the first indented.

    So a name within a message cannot look like a separate message.
    """
    first, *others = message.rstrip("\n").split("\n")
    return [printable(first), *(f"  {printable(other)}" for other in others)]


def say(message: str, stream: TextIO | None = None) -> None:
    """Print a message (default: to standard error)."""
    print("\n".join(lines_of(message)), file=stream or sys.stderr)


def show(answer: Any) -> None:
    """Print an answer to standard output.

    A mapping is printed as JSON, a list as lines, and anything else as rich draws it.
    """
    if isinstance(answer, dict):
        print(json_text(answer, (sys.stdout.encoding or "utf-8").lower().startswith("utf")))
    elif isinstance(answer, list):
        for each in answer:
            print(printable(each))
    else:
        console().print(answer)


def json_text(answer: Any, is_unicode: bool = True) -> str:
    """Exact JSON, safe for a terminal.

    Characters that steer a terminal, and lone surrogates, are written as JSON's own escapes.
    """
    text = json.dumps(answer, sort_keys=True, ensure_ascii=not is_unicode, indent=1)
    # outside of strings there are only line feeds and spaces; within strings JSON has escaped line feeds
    return STEERING.sub(lambda found: found[0] if found[0] == "\n" else json.dumps(found[0])[1:-1], text)


def take_any_letter() -> None:
    """Let standard output escape letters that its encoding lacks.

    Standard error does so by default.
    """
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
