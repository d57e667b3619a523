from __future__ import annotations

import time

import pytest

from domainlm.text.reading.restructured import plain_body, plain_inline, read_restructured

TEXT = """.. _label:

==========
User Guide
==========

Welcome.

.. toctree::
   :maxdepth: 2

   one
   two

Models
======

The class :class:`~sklearn.svm.SVC` and the :ref:`guide <guide>`::

    >>> code()

.. note::
   :class: x

   Keep this.

.. comment that goes
   and its block

.. rubric:: References

.. [1] A book, 1999.

Details
-------
See `the site <https://example.org>`_ and [1]_.

Models
======
Again.
"""


def test_sections_at_underlined_headings() -> None:
    sections = read_restructured(TEXT)
    assert [section.path for section in sections] == [
        (),
        ("User Guide",),
        ("User Guide", "Models"),
        ("User Guide", "Models", "Details"),
        ("User Guide", "Models"),
    ]
    assert sections[1].body == "Welcome.\n"[:-1]
    assert TEXT[sections[3].start : sections[3].end].startswith("Details\n-------")
    assert TEXT[sections[1].start :].startswith("==========\nUser")


def test_bodies_are_prose() -> None:
    body = read_restructured(TEXT)[2].body
    assert "The class SVC and the guide:" in body
    assert "    >>> code()" in body
    assert "Keep this." in body
    assert "References\n" in body
    assert "[1] A book, 1999." in body
    for markup in ("comment", ".. ", ":class:", "`"):
        assert markup not in body
    assert "See the site and [1]." in read_restructured(TEXT)[3].body


def test_inline_markup() -> None:
    assert (
        plain_inline("|Fix| :func:`a.b` :math:`n^2` ``literal <x>`` `user <u>`") == "Fix a.b n^2 ``literal <x>`` user"
    )


def test_tables_and_transitions_are_no_headings() -> None:
    text = "Some text.\n\n-----\n\n=====  =====\na      b\n=====  =====\n1      2\n=====  =====\n"
    assert [section.path for section in read_restructured(text)] == [()]
    assert plain_body("") == ""


@pytest.mark.parametrize(
    "text",
    [
        "`a" + " " * 20_000,
        ":a:`b" + " " * 20_000,
        ":a" * 20_000,
    ],
    ids=range(3),
)
def test_long_runs_take_linear_time(text: str) -> None:
    begin = time.process_time()
    read_restructured(text)
    assert time.process_time() - begin < 0.5
