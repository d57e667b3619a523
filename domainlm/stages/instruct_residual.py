"""Artifact `instruct_residual`: the merged model plus what instruction made of its base.

In: `merged_model`, `base_model` and `instruct_model`. Out: a checkpoint like `instruct_model`, and certificate.json. A pair
whose tokens or shapes disagree is refused, and so is a result that does not load or is not finite.
"""

from __future__ import annotations

from pathlib import Path

from domainlm.config.instruct import InstructResidualSlice
from domainlm.contract import Inputs, Resources, Stats
from domainlm.models.pair import check_pair
from domainlm.models.parallel import use_one_thread
from domainlm.models.residual import check_result, write_residual
from domainlm.text.json_files import write_json


def run(inputs: Inputs, config: InstructResidualSlice, out: Path, scratch: Path, resources: Resources) -> Stats:
    use_one_thread()
    base, instruct = inputs.folders["base_model"], inputs.folders["instruct_model"]
    check_pair(base, instruct)
    certificate = write_residual(inputs.folders["merged_model"], base, instruct, config.section.weight, out)
    check_result(out)
    write_json(out / "certificate.json", {**certificate, "is_finite": True})
    return {key: certificate[key] for key in ("weight", "tensors", "rows_added", "rows_dropped")}
