# Stage one, learn the subject: packed tokens, the adapter, the merged model.


rule pt_tokens:
    input:
        DOMAIN.inputs("pt_tokens"),
    output:
        update(DOMAIN.manifest("pt_tokens")),
    log:
        DOMAIN.log("pt_tokens"),
    benchmark:
        DOMAIN.benchmark("pt_tokens")
    threads: 1
    resources:
        mem_mb=DOMAIN.memory_mb("pt_tokens"),
    shell:
        BUILD + "pt_tokens"


rule pt_adapter:
    input:
        DOMAIN.inputs("pt_adapter"),
    output:
        update(DOMAIN.manifest("pt_adapter")),
    log:
        DOMAIN.log("pt_adapter"),
    benchmark:
        DOMAIN.benchmark("pt_adapter")
    threads: ALL_CORES
    resources:
        mem_mb=DOMAIN.memory_mb("pt_adapter"),
        micro_batch_rows=1,
        checkpoint_seconds=60,
    shell:
        BUILD + "pt_adapter "
        "--micro-batch-rows {resources.micro_batch_rows} --checkpoint-seconds {resources.checkpoint_seconds}"


rule merged_model:
    input:
        DOMAIN.inputs("merged_model"),
    output:
        update(DOMAIN.manifest("merged_model")),
    log:
        DOMAIN.log("merged_model"),
    benchmark:
        DOMAIN.benchmark("merged_model")
    threads: ALL_CORES
    resources:
        mem_mb=DOMAIN.memory_mb("merged_model"),
    shell:
        BUILD + "merged_model"
