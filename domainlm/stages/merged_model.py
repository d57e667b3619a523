"""Artifact `merged_model`: base + PT adapter as one checkpoint, certified.

In: `base_model`, `pt_adapter`, and `pt_tokens` (validation rows to compare on). Out: a checkpoint like `base_model`,
and certificate.json. Where PT trained every weight, it is the trained checkpoint in the stored precision. An adapter of
another base is refused, and a merge that is not base + adapter within the section's limits. Neither needs the model in
memory.
"""

from __future__ import annotations

import json
from pathlib import Path

from domainlm.config.pretraining import MergedModelSlice
from domainlm.contract import Inputs, Resources, Stats
from domainlm.models import whole
from domainlm.models.base_digest import check_base
from domainlm.models.certificate import certify
from domainlm.models.merge import merge, merged_dtype
from domainlm.models.parallel import use_one_thread
from domainlm.tokens.rows import read_split


def run(inputs: Inputs, config: MergedModelSlice, out: Path, scratch: Path, resources: Resources) -> Stats:
    section = config.section
    use_one_thread()
    base = inputs.folders["base_model"]
    check_base(inputs.folders["pt_adapter"], base)
    section = section.model_copy(update={"dtype": merged_dtype(base, section.dtype)})
    adapter: Path | None = inputs.folders["pt_adapter"]
    if whole.is_checkpoint(inputs.folders["pt_adapter"]):
        # every weight was trained: only its precision changes
        base, adapter = inputs.folders["pt_adapter"], None
    merge(base, adapter, section.dtype, out)
    rows = read_split(inputs.folders["pt_tokens"], "validation")
    certificate = certify(base, adapter, out, rows, section, resources.threads)
    text = json.dumps(certificate, sort_keys=True, ensure_ascii=False, indent=1) + "\n"
    (out / "certificate.json").write_text(text, encoding="utf-8", newline="\n")
    return certificate
