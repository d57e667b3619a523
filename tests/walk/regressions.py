"""Step lists that once ended in a divergence, each as short as shrinking made it: what a walk found is walked again in every test run.

A list begins at a built project and is judged after every step. To add one, paste what `tests/walk/run.py` prints.
"""

from __future__ import annotations

from walk.steps import Step

# listed as attacks: tests/attacks/test_walk.py
ATTACKS: dict[str, list[Step]] = {
    "an edit of code that keeps size and time": [["spelling", 1, False]],
    "a clock that was a day ahead": [["clock", "ahead", "written"], ["knob", "min_chars", 2]],
    "a knob whose job is killed once": [["kill", ["knob", "min_chars", 2], "job SIGKILL", "clean_shards", 0]],
    "a knob that is looked at while a build runs": [
        ["look_during", ["change_raw", 0, 20], ["knob", "min_chars", 2], "-n", "clean_shards", 0],
    ],
    "an older run that ends last": [
        ["older_last", ["knob", "threshold", 1], ["knob", "threshold", 0], "unique_shards"]
    ],
    "a look after a checkout": [["version"], ["knob", "min_chars", 2], ["version"], ["checkout", 0, "-n"]],
}
# minutes together
OTHERS: dict[str, list[Step]] = {
    "a stage that raises once": [["broken_code", ["knob", "min_chars", 2], 1]],
    "a job that is told to end": [["kill", ["knob", "min_chars", 2], "job SIGTERM", "clean_shards", 100]],
    "Ctrl-C": [["kill", ["change_raw", 0, 20], "snakemake SIGINT", "documents", 100]],
    "a killed Snakemake": [["kill", ["change_raw", 0, 20], "snakemake SIGKILL", "documents", 300]],
    "a library that is missing once": [["broken_lock", ["knob", "threshold", 1]]],
    "a look at a knob": [["look", ["knob", "min_chars", 2], "-n"]],
    "a look, and back": [["look_and_back", "-n", ["knob", "min_chars", 2], ["knob", "min_chars", 0]]],
    "two runs at once": [["two_builds", ["knob", "min_chars", 1], ["knob", "min_chars", 2], "clean_shards", 200]],
    "a clock set back": [["clock", "behind", "written"], ["knob", "min_chars", 2]],
    # found by seed 7000, step 31: the older job's manifest was gone, and what was made from it was right
    "an older run that ends last, of raw files": [
        ["older_last", ["add_raw", 0, "data/tiny/general"], ["change_raw", 1, 20], "raw_corpus"],
    ],
    "times without fractions": [["clock", "whole seconds", "written"], ["spelling", 2, False]],
    # found by seed 12001, step 101: `plan` said that it would be restored, and the plain command left it absent
    "an artifact that was removed to make room": [["remove", "artifacts/tiny/documents"]],
}
