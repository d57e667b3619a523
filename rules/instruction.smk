# Stage two, learn to answer: questions and answers, packed tokens, the adapter.


rule sft_dataset:
    input:
        DOMAIN.inputs("sft_dataset"),
    output:
        update(DOMAIN.manifest("sft_dataset")),
    log:
        DOMAIN.log("sft_dataset"),
    benchmark:
        DOMAIN.benchmark("sft_dataset")
    threads: 1
    resources:
        mem_mb=DOMAIN.memory_mb("sft_dataset"),
    shell:
        BUILD + "sft_dataset"


rule sft_tokens:
    input:
        DOMAIN.inputs("sft_tokens"),
    output:
        update(DOMAIN.manifest("sft_tokens")),
    log:
        DOMAIN.log("sft_tokens"),
    benchmark:
        DOMAIN.benchmark("sft_tokens")
    threads: 1
    resources:
        mem_mb=DOMAIN.memory_mb("sft_tokens"),
    shell:
        BUILD + "sft_tokens"


rule sft_adapter:
    input:
        DOMAIN.inputs("sft_adapter"),
    output:
        update(DOMAIN.manifest("sft_adapter")),
    log:
        DOMAIN.log("sft_adapter"),
    benchmark:
        DOMAIN.benchmark("sft_adapter")
    threads: ALL_CORES
    resources:
        mem_mb=DOMAIN.memory_mb("sft_adapter"),
        micro_batch_rows=1,
        checkpoint_seconds=60,
    shell:
        BUILD + "sft_adapter "
        "--micro-batch-rows {resources.micro_batch_rows} --checkpoint-seconds {resources.checkpoint_seconds}"
