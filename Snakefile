# Table of contents: the resolved domain, the rules in pipeline order, the targets.
from snakemake.utils import min_version

min_version("9.0")


include: "rules/domain.smk"


rule all:
    default_target: True
    input:
        DOMAIN.manifest("eval_report"),


include: "rules/sources.smk"
include: "rules/text.smk"
include: "rules/pretraining.smk"
include: "rules/instruction.smk"
include: "rules/evaluation.smk"
