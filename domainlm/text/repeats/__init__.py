"""Repeats: duplicates, boilerplate, evaluation texts, instruction rows."""
