"""Mutations of what comes from outside: raw files, the base model, dependencies and the environment."""

from __future__ import annotations

from material.mutation import EXTRA, NOTHING, Rebuilt, Row
from material.tree_changes import (
    CONFIG,
    TINY,
    append,
    both,
    edit,
    known,
    moved,
    nothing,
    overwritten,
    pins_in_another_order,
    removed,
    replaced_by_link,
    touched,
    written_again,
)

TORCH = "base_model pt_adapter merged_model sft_adapter eval_results"
STYLE = "data/instruction/style.jsonl"
CORPUS = "data/tiny/corpus"
MODEL = "data/tiny/model"
HUB = edit(TINY, r"local: data/tiny/model", f"hub: {{repository: a/b, revision: {'a' * 40}}}")

RAW_FILES = [
    Row(
        "byte of a raw file of conversations",
        "raw_corpus",
        edit(STYLE, "memorised", "memorized"),
        domain="tiny",
        rebuilt=Rebuilt(
            changed="raw_corpus documents clean_shards unique_shards corpus_split sft_dataset",
            target="sft_dataset pt_tokens",
        ),
    ),
    Row(
        "byte, with time and size kept, in place",
        "raw_corpus",
        overwritten(STYLE, b"memorised", b"memorized", is_in_place=True),
        given=known,
    ),
    Row(
        "byte, with time and size kept, in a new file",
        "raw_corpus",
        overwritten(STYLE, b"memorised", b"memorized", is_in_place=False),
        given=known,
    ),
    Row(
        "name of a raw file",
        "raw_corpus",
        moved(f"{CORPUS}/note0.txt", f"{CORPUS}/renamed.txt"),
        domain="tiny",
        rebuilt=Rebuilt(changed="raw_corpus documents", target="documents"),
    ),
    Row("time of a raw file", NOTHING, touched(CORPUS, "*"), domain="tiny", rebuilt=Rebuilt()),
    Row(
        "raw files written in another order",
        NOTHING,
        written_again(CORPUS),
        domain="tiny",
        rebuilt=Rebuilt(),
    ),
    Row("permissions of a raw file", NOTHING, lambda project: (project / STYLE).chmod(0o444)),
    Row("raw file replaced by a link to it", NOTHING, replaced_by_link(STYLE)),
    Row("new raw file", "raw_corpus", append(f"{CORPUS}/new.txt", "text"), domain="tiny"),
    Row("raw file removed", "raw_corpus", removed(f"{CORPUS}/note0.txt"), domain="tiny"),
    Row("hidden file beside raw files", NOTHING, append("data/instruction/.new.txt", "text")),
    Row(
        "folder moved as a whole",
        NOTHING,
        both(moved("data/instruction", "elsewhere"), edit(CONFIG, r"local: data/instruction", "local: elsewhere")),
    ),
    Row(
        "licence of a local source",
        "raw_corpus",
        edit(CONFIG, r"(  style:.*?licence: )Apache-2.0", r"\1MIT"),
        domain="tiny",
        rebuilt=Rebuilt(
            changed="raw_corpus documents clean_shards unique_shards corpus_split", target="pt_tokens sft_dataset"
        ),
    ),
    Row(
        "licence of a fetched source",
        "raw_corpus",
        edit(CONFIG, r"licence: CC-BY-SA-3.0", "licence: unknown"),
    ),
    Row(
        "authority of a fetched source",
        "raw_corpus",
        edit(CONFIG, r"authority: academic", "authority: media"),
    ),
    Row("role of a source", "raw_corpus", edit(TINY, r"role: evaluation", "role: replay"), domain="tiny"),
    Row("format of a fetched source", "raw_corpus", edit(CONFIG, r"format: mediawiki", "format: txt")),
    Row("digest of a fetched source", "raw_corpus", edit(CONFIG, r"(  hpo:.*?sha256: )\w{4}", r"\g<1>0000")),
    Row(
        "file excluded by a pattern",
        "raw_corpus",
        edit(TINY, r"local: data/tiny/corpus", "local: data/tiny/corpus, exclude: [note0.txt]"),
        domain="tiny",
    ),
    Row(
        "pattern that excludes nothing",
        NOTHING,
        edit(TINY, r"local: data/tiny/corpus", "local: data/tiny/corpus, exclude: [none.txt]"),
        domain="tiny",
    ),
]

BASE_MODEL = [
    Row("byte of tokenizer.json", "base_model", append(f"{MODEL}/tokenizer.json", " "), domain="tiny"),
    Row(
        "chat template",
        "base_model",
        edit(f"{MODEL}/chat_template.jinja", r"(<\|im_end\|>\n)", r"\1\n"),
        domain="tiny",
        rebuilt=Rebuilt(changed="base_model sft_tokens", target="pt_tokens sft_tokens"),
    ),
    Row(
        "byte of the base weights",
        "base_model",
        lambda project: (project / MODEL / "model.safetensors").open("r+b").write(b"\x01"),
        domain="tiny",
    ),
    Row(
        "the model's config.json",
        "base_model",
        edit(f"{MODEL}/config.json", r'"initializer_range": 0.02', '"initializer_range": 0.03'),
        domain="tiny",
    ),
    Row("new file in the model's folder", "base_model", append(f"{MODEL}/NOTICE", "text"), domain="tiny"),
    Row("times of the model's files", NOTHING, touched(MODEL, "*"), domain="tiny"),
    Row(
        "model's folder moved as a whole",
        NOTHING,
        both(moved(MODEL, "model_folder"), edit(TINY, r"local: data/tiny/model", "local: model_folder")),
        domain="tiny",
    ),
    Row(
        "licence of the base model",
        "base_model",
        edit(TINY, r"(data/tiny/model, licence: )CC0-1.0", r"\1MIT"),
        domain="tiny",
    ),
    Row(
        "digest of a fetched base model",
        "base_model",
        edit(CONFIG, r"(smollm2:.*?sha256: )\w{4}", r"\g<1>0000"),
    ),
    Row(
        "revision on the hub",
        "base_model",
        edit(TINY, "revision: a", "revision: b"),
        given=HUB,
        domain="tiny",
    ),
]

DEPENDENCIES = [
    Row(
        "version of one stage's distribution",
        "unique_shards",
        edit("envs/cpu.lock", r"^datasketch==\S+", "datasketch==9.9"),
    ),
    Row(
        "version of many stages' distribution",
        f"{TORCH} corpus_split pt_tokens sft_tokens",
        edit("envs/cpu.lock", r"^tokenizers==\S+", "tokenizers==9.9"),
    ),
    Row("version of torch", TORCH, edit("envs/torch.lock", r"^torch==\S+", "torch==9.9")),
    Row(
        "local build tag: torch for CPU",
        NOTHING,
        edit("envs/torch.lock", r"^(torch==\S+)", r"\1+cpu"),
        domain="tiny",
        rebuilt=Rebuilt(),
    ),
    Row(
        "local build tag: torch for CUDA",
        NOTHING,
        edit("envs/torch.lock", r"^(torch==\S+)", r"\1+cu130"),
    ),
    Row("local build tag: numpy", NOTHING, edit("envs/cpu.lock", r"^(numpy==\S+)", r"\1+mkl")),
    Row(
        "version of a distribution that no stage names",
        NOTHING,
        edit("envs/cpu.lock", r"^aiohttp==\S+", "aiohttp==9.9"),
    ),
    Row(
        "digest in a lock file",
        NOTHING,
        edit("envs/cpu.lock", r"(^datasketch==\S+.*?sha256:)\w{4}", r"\g<1>0000"),
    ),
    Row("order of the pins", NOTHING, pins_in_another_order),
    Row("GPU extra in the lock file", NOTHING, append("envs/gpu.lock", "bitsandbytes==9.9\n")),
    Row(
        "version of DeepSpeed in the GPU lock file",
        NOTHING,
        edit("envs/gpu.lock", r"^deepspeed==\S+", "deepspeed==9.9"),
    ),
    Row("other extras' lock file", NOTHING, append("envs/extras.lock", "s3fs==9.9\n")),
    Row(
        "pin in pyproject.toml alone",
        NOTHING,
        edit("pyproject.toml", r'"datasketch==[^"]*"', '"datasketch==9.9"'),
    ),
    Row(
        "distribution newly named in the stage table",
        "eval_report",
        edit("domainlm/pipeline/table.py", r'\("plotly", ', '("numpy", "plotly", '),
        domain="tiny",
        rebuilt=Rebuilt(),
    ),
]

ENVIRONMENT = [
    Row("Python 3.12", NOTHING, nothing, python="3.12"),
    Row("Python 3.13", NOTHING, nothing, python="3.13"),
    Row("Python 3.14", NOTHING, nothing, python="3.14"),
    Row("locale", NOTHING, nothing, environment={"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"}),
    Row("time zone", NOTHING, nothing, environment={"TZ": "Asia/Kathmandu"}),
    Row("hash seed", NOTHING, nothing, environment={"PYTHONHASHSEED": "7"}),
    Row(
        "cores and threads",
        NOTHING,
        nothing,
        domain="tiny",
        environment={"OMP_NUM_THREADS": "3"},
        rebuilt=Rebuilt(cores=2),
    ),
    Row("GPUs", NOTHING, nothing, environment={"CUDA_VISIBLE_DEVICES": "0,1"}),
    Row("home folder, user", NOTHING, nothing, environment={"HOME": "/nowhere", "USER": "somebody"}),
    Row("Python without assertions", NOTHING, nothing, environment={"PYTHONOPTIMIZE": "1"}),
    Row(
        "a variable of the libraries",
        NOTHING,
        nothing,
        environment={"HF_HOME": "/nowhere", "TOKENIZERS_PARALLELISM": "true"},
    ),
    Row("profile", NOTHING, append("profiles/local/config.yaml", "jobs: 3\n")),
    Row("rules", NOTHING, append("rules/text.smk", "# more\n")),
    Row("tests and documentation", NOTHING, both(append("tests/new.py", EXTRA), append("docs/new.md", "New\n"))),
    Row("DVC's configuration", NOTHING, append(".dvc/config", "# more\n")),
]
