# What the model learnt and forgot, and the report.


rule eval_results:
    input:
        lambda wildcards: DOMAIN.inputs("eval_results"),
    output:
        update(DOMAIN.manifest("eval_results")),
    log:
        DOMAIN.log("eval_results"),
    benchmark:
        DOMAIN.benchmark("eval_results")
    threads: ALL_CORES
    resources:
        mem_mb=DOMAIN.memory_mb("eval_results"),
    shell:
        BUILD + "eval_results"


rule eval_report:
    input:
        DOMAIN.inputs("eval_report"),
    output:
        update(DOMAIN.manifest("eval_report")),
    log:
        DOMAIN.log("eval_report"),
    benchmark:
        DOMAIN.benchmark("eval_report")
    threads: 1
    resources:
        mem_mb=DOMAIN.memory_mb("eval_report"),
    shell:
        BUILD + "eval_report"
