from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from domainlm.config.errors import ConfigurationError
from domainlm.config.resolve import load_yaml
from domainlm.pipeline.table import STAGES
from domainlm.workflow.dvc import check_pipeline_file, name_beyond_dvc, pipeline_text

BASE = """\
domain: medical
sources:
  hpo: {role: corpus, local: data/hpo}
  model: {role: base_model, local: data/model}
corpus_split: {replay_share: 0.0}
sft_adapter: {rank: 2}
eval_results: {compare: []}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A default domain; `law`; `contracts`, which extends it; `bare` without pretraining, compared with the default."""
    domains = {
        "law": "pt_adapter: {rank: 4}\nsources:\n  statutes: {role: corpus, local: data/law}\n",
        "contracts": "extends: law\nseed: 3\n",
        "bare": "sft_adapter: {relay: none}\neval_results: {compare: [medical]}\n",
    }
    (tmp_path / "config/domains").mkdir(parents=True)
    (tmp_path / "config/config.yaml").write_text(BASE)
    for name, text in domains.items():
        (tmp_path / f"config/domains/{name}.yaml").write_text(text)
    return tmp_path


# stages of the relay instruct_residual, which no domain of the project names
PAIR = ["instruct_model", "instruct_residual"]


def generated(project: Path, domain: str | None = None) -> tuple[str, dict[str, Any]]:
    path, text = pipeline_text(project, domain)
    return path, load_yaml(text, path)


def test_the_file_in_the_root_is_what_is_generated(repository: Path) -> None:
    path, text = pipeline_text(repository)
    assert path == "dvc.yaml"
    assert (repository / path).read_text(encoding="utf-8") == text, "run: make dvc.yaml"


def test_one_stage_per_artifact_whose_command_is_snakemake(project: Path) -> None:
    _, document = generated(project)
    assert list(document["stages"]) == [s.name for s in STAGES if s.name not in ["relevance_model", *PAIR]]
    stage = document["stages"]["pt_adapter"]
    assert stage["cmd"] == "snakemake --cores all pt_adapter"
    assert stage["outs"] == ["artifacts/medical/pt_adapter"]
    assert "wdir" not in stage


def test_the_relevance_model_has_a_place_where_there_are_seeds(project: Path) -> None:
    text = f"{BASE}relevance_model: {{ngrams: 3}}\n".replace(
        "sources:\n", "sources:\n  seeds: {role: seed, local: data/seeds}\n  wiki: {role: replay, local: data/wiki}\n"
    )
    (project / "config/config.yaml").write_text(text)
    stages = generated(project)[1]["stages"]
    assert list(stages) == [stage.name for stage in STAGES if stage.name not in PAIR]
    assert stages["relevance_model"]["outs"] == ["artifacts/medical/relevance_model"]
    assert stages["relevance_model"]["params"] == [{"config/config.yaml": ["relevance_model"]}]
    for reader in ("unique_shards", "eval_report"):
        assert "artifacts/medical/relevance_model/manifest.json" in stages[reader]["deps"]
    assert "data/seeds" in stages["raw_corpus"]["deps"]


def test_dependencies_are_manifests_sources_and_lock_files(project: Path, repository: Path) -> None:
    stages = generated(project)[1]["stages"]
    found = set(stages["pt_adapter"]["deps"])
    assert {"artifacts/medical/pt_tokens/manifest.json", "artifacts/medical/base_model/manifest.json"} <= found
    assert {"domainlm/stages/pt_adapter.py", "envs/cpu.lock", "envs/torch.lock"} <= found
    # a configuration's values are in the parameters; the names of methods, which a training asks by, are code
    code = {name for name in found if name.startswith("domainlm/config")}
    assert code == {"domainlm/config/__init__.py", "domainlm/config/methods.py"}
    assert "data/hpo" in stages["raw_corpus"]["deps"]
    assert "data/hpo" not in stages["base_model"]["deps"]
    assert "data/model" in stages["base_model"]["deps"]
    modules = [name for stage in stages.values() for name in stage["deps"] if name.startswith("domainlm/")]
    assert [name for name in modules if not (repository / name).exists()] == []
    assert "domainlm/report/report.html.jinja" in stages["eval_report"]["deps"]


def test_a_word_list_s_file_is_a_dependency_of_cleaning(project: Path) -> None:
    path = project / "config/config.yaml"
    section = "clean_shards: {word_lists: {adverts: {file: data/words.txt}}}\n"
    path.write_text(path.read_text(encoding="utf-8") + section, encoding="utf-8")
    stages = generated(project)[1]["stages"]
    assert [name for name, stage in stages.items() if "data/words.txt" in stage["deps"]] == ["clean_shards"]


def test_parameters_are_the_keys_that_the_files_hold(project: Path) -> None:
    stages = generated(project)[1]["stages"]
    assert stages["sft_adapter"]["params"] == [{"config/config.yaml": ["sft_adapter"]}]
    # config.yaml has a section sft_adapter, but no relay in it: DVC refuses a parameter that is not there
    assert stages["eval_results"]["params"] == [{"config/config.yaml": ["eval_results"]}]


def test_what_a_file_does_not_hold_yet_counts_in_the_stages_without_inputs(project: Path, repository: Path) -> None:
    stages = generated(project)[1]["stages"]
    for name in ("raw_corpus", "base_model"):
        assert stages[name]["params"] == [{"config/config.yaml": None}]
    # the default domain's own file holds every section
    stages = generated(repository)[1]["stages"]
    assert stages["raw_corpus"]["params"] == [{"config/config.yaml": ["raw_corpus", "sources"]}]


class TestNamesBeyondDvc:
    @pytest.fixture
    def folder(self, project: Path) -> bytes:
        (project / "data/hpo/deep").mkdir(parents=True)
        (project / "data/hpo/deep/plain.txt").touch()
        return os.fsencode(project / "data/hpo/deep")

    def test_plain_names_change_nothing(self, folder: bytes, project: Path) -> None:
        (project / "data/hpo/deep/病历.txt").touch()
        stage = generated(project)[1]["stages"]["raw_corpus"]
        assert "data/hpo" in stage["deps"]
        assert "always_changed" not in stage
        assert name_beyond_dvc(project, "data/hpo") is None
        assert name_beyond_dvc(project, "data/missing") is None
        assert name_beyond_dvc(project, "data/\ud83d") == "data/\ud83d"

    @pytest.mark.parametrize("make", [os.mkdir, lambda path: open(path, "w").close()], ids=["folder", "file"])
    def test_a_stage_that_reads_others_is_always_started(self, folder: bytes, project: Path, make: Any) -> None:
        make(folder + b"/\xb2\xa1")
        stages = generated(project)[1]["stages"]
        assert "data/hpo" not in stages["raw_corpus"]["deps"]
        assert [name for name, stage in stages.items() if stage.get("always_changed")] == ["raw_corpus"]
        assert name_beyond_dvc(project, "data/hpo") == os.fsdecode(b"data/hpo/deep/\xb2\xa1")

    def test_of_a_model_it_is_the_other_stage(self, folder: bytes, project: Path) -> None:
        os.makedirs(os.fsencode(project / "data/model") + b"/\xff")
        stages = generated(project)[1]["stages"]
        assert [name for name, stage in stages.items() if stage.get("always_changed")] == ["base_model"]

    def test_a_run_that_dvc_starts_wants_it_so_too(self, folder: bytes, project: Path) -> None:
        os.mkdir(folder + b"/\xb2\xa1")
        path, text = pipeline_text(project)
        (project / path).write_text(text.replace("    always_changed: true\n", ""))
        with pytest.raises(ConfigurationError, match="raw_corpus: always_changed is not set"):
            check_pipeline_file(project, "medical")
        (project / path).write_text(text)
        check_pipeline_file(project, "medical")


def test_a_name_is_no_variable(project: Path) -> None:
    text = BASE.replace("data/hpo", "'data/${x}'")
    (project / "config/config.yaml").write_text(text)
    assert "data/\\${x}" in generated(project)[1]["stages"]["raw_corpus"]["deps"]


class TestCheck:
    @pytest.fixture
    def checked(self, project: Path) -> Path:
        path, text = pipeline_text(project)
        (project / path).write_text(text)
        check_pipeline_file(project, "medical")
        return project

    def test_a_new_section_must_be_listed(self, checked: Path) -> None:
        (checked / "config/config.yaml").write_text(f"{BASE}clean_shards: {{min_chars: 3}}\n")
        with pytest.raises(
            ConfigurationError, match=r"clean_shards: params lack.*python -m domainlm\.workflow\.dvc medical"
        ):
            check_pipeline_file(checked, "medical")

    def test_so_must_a_new_source_s_folder(self, checked: Path) -> None:
        text = BASE.replace("sources:\n", "sources:\n  more: {role: corpus, local: data/more}\n")
        (checked / "config/config.yaml").write_text(text)
        with pytest.raises(ConfigurationError, match="raw_corpus: deps lack data/more"):
            check_pipeline_file(checked, "medical")

    @pytest.mark.parametrize("text", ["", "plots: []\n", "stages:\n", "stages: [a]\n"])
    def test_a_file_without_stages_is_the_owner_s(self, project: Path, text: str) -> None:
        (project / "dvc.yaml").write_text(text)
        check_pipeline_file(project, "medical")

    @pytest.mark.parametrize(
        ("data", "words"),
        [
            (b"stages: {raw_corpus: {deps: null}}\n", "stage raw_corpus: deps lack"),
            (b"stages: {raw_corpus: null}\n", "stage raw_corpus: deps lack"),
            (b"# \xff\n", r"dvc\.yaml: not UTF-8"),
            (b"- a\n", r"dvc\.yaml: expected a mapping"),
        ],
    )
    def test_a_file_of_another_shape_is_named(self, project: Path, data: bytes, words: str) -> None:
        (project / "dvc.yaml").write_bytes(data)
        with pytest.raises(ConfigurationError, match=words):
            check_pipeline_file(project, "medical")

    def test_what_its_owner_added_stays(self, checked: Path) -> None:
        text = (checked / "dvc.yaml").read_text().replace("    deps:\n", "    deps:\n    - notes.txt\n", 1)
        (checked / "dvc.yaml").write_text(f"{text}artifacts: {{}}\n")
        check_pipeline_file(checked, "medical")

    def test_a_project_without_one_is_left_alone(self, project: Path) -> None:
        check_pipeline_file(project, "medical")


def test_another_domain_has_its_own_file(project: Path) -> None:
    path, document = generated(project, "law")
    assert path == "domains/law/dvc.yaml"
    stage = document["stages"]["pt_adapter"]
    assert stage["cmd"] == "snakemake --cores all pt_adapter --config domain=law"
    assert stage["wdir"] == "../.."
    assert stage["outs"] == ["artifacts/law/pt_adapter"]
    assert stage["params"] == [{"config/domains/law.yaml": ["pt_adapter"]}]
    assert document["stages"]["eval_report"]["params"] == [{"config/config.yaml": ["domain"]}]
    assert "data/law" in document["stages"]["raw_corpus"]["deps"]
    assert document["metrics"] == ["../../artifacts/law/eval_report/metrics.json"]


def test_every_file_of_an_extended_domain_counts(project: Path) -> None:
    stages = generated(project, "contracts")[1]["stages"]
    assert stages["pt_adapter"]["params"] == [
        {"config/domains/law.yaml": ["pt_adapter"]},
        {"config/domains/contracts.yaml": ["seed"]},
    ]


def test_without_a_relay_there_is_no_pretraining(project: Path) -> None:
    _, document = generated(project, "bare")
    assert {"pt_tokens", "pt_adapter", "merged_model"}.isdisjoint(document["stages"])
    assert [next(iter(plot)) for plot in document["plots"]] == ["sft_adapter_loss"]
    assert "artifacts/medical/eval_results/manifest.json" in document["stages"]["eval_results"]["deps"]
    assert {"config/domains/bare.yaml": ["eval_results", "sft_adapter.relay"]} in document["stages"]["eval_results"][
        "params"
    ]


def test_metrics_and_plots_name_files_of_the_artifacts(project: Path) -> None:
    _, document = generated(project)
    assert document["metrics"] == ["artifacts/medical/eval_report/metrics.json"]
    files = [file for plot in document["plots"] for value in plot.values() for file in value["y"]]
    assert files == ["artifacts/medical/pt_adapter/loss.csv", "artifacts/medical/sft_adapter/loss.csv"]
