# From raw files to the training, validation and test text.


rule documents_shard:
    input:
        lambda wildcards: DOMAIN.inputs("documents", wildcards.shard),
    output:
        update(DOMAIN.manifest("documents", "{shard}")),
    log:
        DOMAIN.log("documents", "{shard}"),
    benchmark:
        DOMAIN.benchmark("documents", "{shard}")
    threads: 1
    resources:
        mem_mb=DOMAIN.memory_mb("documents"),
    shell:
        BUILD + "documents --shard {wildcards.shard}"


rule documents:
    input:
        DOMAIN.inputs("documents"),
    output:
        update(DOMAIN.manifest("documents")),
    log:
        DOMAIN.log("documents"),
    benchmark:
        DOMAIN.benchmark("documents")
    threads: 1
    resources:
        mem_mb=DOMAIN.memory_mb("documents"),
    shell:
        BUILD + "documents"


rule clean_shards_shard:
    input:
        lambda wildcards: DOMAIN.inputs("clean_shards", wildcards.shard),
    output:
        update(DOMAIN.manifest("clean_shards", "{shard}")),
    log:
        DOMAIN.log("clean_shards", "{shard}"),
    benchmark:
        DOMAIN.benchmark("clean_shards", "{shard}")
    threads: 1
    resources:
        mem_mb=DOMAIN.memory_mb("clean_shards"),
    shell:
        BUILD + "clean_shards --shard {wildcards.shard}"


rule clean_shards:
    input:
        DOMAIN.inputs("clean_shards"),
    output:
        update(DOMAIN.manifest("clean_shards")),
    log:
        DOMAIN.log("clean_shards"),
    benchmark:
        DOMAIN.benchmark("clean_shards")
    threads: 1
    resources:
        mem_mb=DOMAIN.memory_mb("clean_shards"),
    shell:
        BUILD + "clean_shards"


rule relevance_model:
    input:
        DOMAIN.inputs("relevance_model"),
    output:
        update(DOMAIN.manifest("relevance_model")),
    log:
        DOMAIN.log("relevance_model"),
    benchmark:
        DOMAIN.benchmark("relevance_model")
    threads: 1
    resources:
        mem_mb=DOMAIN.memory_mb("relevance_model"),
    shell:
        BUILD + "relevance_model"


rule unique_shards:
    input:
        DOMAIN.inputs("unique_shards"),
    output:
        update(DOMAIN.manifest("unique_shards")),
    log:
        DOMAIN.log("unique_shards"),
    benchmark:
        DOMAIN.benchmark("unique_shards")
    threads: 1
    resources:
        mem_mb=DOMAIN.memory_mb("unique_shards"),
    shell:
        BUILD + "unique_shards"


rule corpus_split:
    input:
        DOMAIN.inputs("corpus_split"),
    output:
        update(DOMAIN.manifest("corpus_split")),
    log:
        DOMAIN.log("corpus_split"),
    benchmark:
        DOMAIN.benchmark("corpus_split")
    threads: 1
    resources:
        mem_mb=DOMAIN.memory_mb("corpus_split"),
    shell:
        BUILD + "corpus_split"
