"""The table of mutations: changes to a project, and what each must build again. Written before it is run.

Each row names the artifacts whose own action changes (code digest, configuration slice, versions, names of inputs): they
are built *again*. What *follows* from them by `INPUTS` is built only if bytes upstream change, and everything else stays
the *same*. A row that is also `rebuilt` for real says which artifacts' bytes differ afterwards.
tests/pipeline/test_mutations.py asks a real project for its keys; test_mutations_rebuilt.py runs snakemake;
docs/make_soundness.py prints the page. What a row is, mutation.py says.
"""

from __future__ import annotations

from material.mutations_of_code import BORDERS, CODE, PLACES, WORDING
from material.mutations_of_configuration import CHAIN_KNOBS, FORM, LABELLING, MODEL_KNOBS, TEXT_KNOBS
from material.mutations_of_inputs import BASE_MODEL, DEPENDENCIES, ENVIRONMENT, RAW_FILES

# at most 20 of a kind
KINDS = {
    "code": CODE,
    "where code stands": PLACES,
    "borders of modules": BORDERS,
    "wording": WORDING,
    "knobs of the text half": TEXT_KNOBS,
    "knobs of the model half": MODEL_KNOBS,
    "knobs of the chain of models": CHAIN_KNOBS,
    "sources and policy": LABELLING,
    "configuration's form": FORM,
    "inputs": RAW_FILES,
    "base model": BASE_MODEL,
    "dependencies": DEPENDENCIES,
    "environment": ENVIRONMENT,
}
ROWS = [row for rows in KINDS.values() for row in rows]
