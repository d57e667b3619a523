# What comes in from outside: the only rules that may use the network.


rule raw_corpus_shard:
    input:
        lambda wildcards: DOMAIN.inputs("raw_corpus", wildcards.shard),
    output:
        update(DOMAIN.manifest("raw_corpus", "{shard}")),
    log:
        DOMAIN.log("raw_corpus", "{shard}"),
    benchmark:
        DOMAIN.benchmark("raw_corpus", "{shard}")
    threads: 1
    resources:
        mem_mb=DOMAIN.memory_mb("raw_corpus"),
    shell:
        BUILD + "raw_corpus --shard {wildcards.shard}"


rule raw_corpus:
    input:
        DOMAIN.inputs("raw_corpus"),
    output:
        update(DOMAIN.manifest("raw_corpus")),
    log:
        DOMAIN.log("raw_corpus"),
    benchmark:
        DOMAIN.benchmark("raw_corpus")
    threads: 1
    resources:
        mem_mb=DOMAIN.memory_mb("raw_corpus"),
    shell:
        BUILD + "raw_corpus"


rule base_model:
    input:
        DOMAIN.inputs("base_model"),
    output:
        update(DOMAIN.manifest("base_model")),
    log:
        DOMAIN.log("base_model"),
    benchmark:
        DOMAIN.benchmark("base_model")
    threads: ALL_CORES
    resources:
        mem_mb=DOMAIN.memory_mb("base_model"),
    shell:
        BUILD + "base_model"
