"""The names of the labels that a raw file may have."""

from __future__ import annotations

# what a source says of its files, by pattern and by table too: fields of a document, of an inventory's row and of a source
LABELS = ("licence", "authority", "stance")
