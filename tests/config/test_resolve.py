from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from domainlm.config.domain import DomainConfig
from domainlm.config.errors import ConfigurationError
from domainlm.config.resolve import parse_overrides, resolve

BASE = """\
domain: medical
seed: 17
sources:
  hpo: {role: corpus, local: data/hpo, licence: HPO}
  wikipedia: {role: replay, local: data/wikipedia}
  more: {role: replay, local: data/more}
  model: {role: base_model, local: data/model}
pt_adapter:
  learning_rate: 1e-3
  rank: 8
"""
Project = Callable[..., Path]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """project(name=text): a project whose config/domains/ holds these files."""

    def make(base: str = BASE, **domains: str) -> Path:
        (tmp_path / "config/domains").mkdir(parents=True)
        (tmp_path / "config/config.yaml").write_text(base, encoding="utf-8")
        for name, text in domains.items():
            (tmp_path / f"config/domains/{name}.yaml").write_text(text, encoding="utf-8")
        return tmp_path

    return make


def test_defaults_lie_below_everything(project: Project) -> None:
    config = resolve(project(), {})
    assert config.pt_adapter.learning_rate == 1e-3
    assert config.pt_adapter.rank == 8
    assert config.pt_adapter.epochs == DomainConfig().pt_adapter.epochs


def test_a_domain_file_changes_what_it_names(project: Project) -> None:
    root = project(law="pt_adapter: {learning_rate: 0.002}\n")
    config = resolve(root, {"domain": "law"})
    assert config.domain == "law"
    assert (config.pt_adapter.learning_rate, config.pt_adapter.rank) == (0.002, 8)


def test_a_domain_may_extend_another(project: Project) -> None:
    root = project(law="pt_adapter: {rank: 4}\nseed: 5\n", contracts="extends: law\nseed: 6\n")
    config = resolve(root, {"domain": "contracts"})
    assert (config.domain, config.pt_adapter.rank, config.seed) == ("contracts", 4, 6)


def test_extending_the_default_domain_is_starting_from_it(project: Project) -> None:
    root = project(medical_small="extends: medical\nseed: 1\n")
    assert resolve(root, {"domain": "medical_small"}).sources == resolve(root, {}).sources


def test_the_command_line_is_the_strongest(project: Project) -> None:
    root = project(law="pt_adapter: {rank: 4}\n")
    config = resolve(root, {"domain": "law", "pt_adapter": {"learning_rate": "1e-2", "rank": 2}, "seed": "3"})
    assert (config.pt_adapter.learning_rate, config.pt_adapter.rank, config.seed) == (0.01, 2, 3)


def test_new_sources_replace_the_inherited_ones_of_their_role(project: Project) -> None:
    root = project(law="sources:\n  statutes: {role: corpus, local: data/law}\n  x: {role: replay, local: data/x}\n")
    assert set(resolve(root, {"domain": "law"}).sources) == {"statutes", "x", "model"}


def test_a_source_under_an_inherited_name_is_merged(project: Project) -> None:
    root = project(law="sources:\n  hpo: {licence: other}\n")
    source = resolve(root, {"domain": "law"}).sources["hpo"]
    assert (source.licence, source.local) == ("other", "data/hpo")
    assert set(resolve(root, {"domain": "law"}).sources) == {"hpo", "wikipedia", "more", "model"}


def test_null_removes_a_source(project: Project) -> None:
    root = project(law="sources: {more: null}\n")
    assert set(resolve(root, {"domain": "law"}).sources) == {"hpo", "wikipedia", "model"}


def test_conversations_alone_are_a_domain_without_continued_pretraining(project: Project) -> None:
    own = "sources: {hpo: null, mine: {role: instruction, local: a}}\n"
    root = project(alone=f"{own}sft_adapter: {{relay: none}}\n", merged=own)
    assert {source.role for source in resolve(root, {"domain": "alone"}).sources.values()} == {
        "replay", "instruction", "base_model"
    }  # fmt: skip
    with pytest.raises(ConfigurationError, match=r"none has role corpus.*sft_adapter\.relay: none"):
        resolve(root, {"domain": "merged"})


@pytest.mark.parametrize(
    ("domain", "overrides", "parts"),
    [
        ("pt_adaptor: {rank: 4}", {}, ["config/domains/d.yaml", "'pt_adaptor'", "'pt_adapter'"]),
        ("pt_adapter: {learning_rat: 4}", {}, ["d.yaml", "'pt_adapter.learning_rat'", "'learning_rate'"]),
        ("pt_adapter: {learning_rate: fast}", {}, ["d.yaml", "pt_adapter.learning_rate", "number", "'fast'"]),
        ("pt_adapter: {learning_rate: -1}", {}, ["d.yaml", "pt_adapter.learning_rate", "greater than 0", "-1"]),
        ("pt_adapter: {rank: 4.5}", {}, ["pt_adapter.rank", "integer", "4.5"]),
        ("pt_adapter: {rank: '4'}", {}, ["pt_adapter.rank", "integer", "'4'"]),
        ("pt_adapter: [1]", {}, ["d.yaml", "pt_adapter", "dictionary"]),
        ("pt_adapter: {target_modules: 5}", {}, ["d.yaml", "pt_adapter.target_modules", "5"]),
        ("sft_adapter: {relay: merged}", {}, ["sft_adapter.relay", "'merge'", "'merged'"]),
        ("sources: {x: {role: corpus}}", {}, ["d.yaml", "sources.x", "exactly one of local, fetch, hub"]),
        ("sources: {x: {local: a}}", {}, ["d.yaml", "sources.x.role", "required"]),
        ("sources: {x: {role: [corpus, replay], local: a}}", {}, ["d.yaml", "sources.x.role", "['corpus', 'replay']"]),
        ("sources: {hpo: {role: {a: b}}}", {}, ["d.yaml", "sources.hpo.role", "['a']"]),
        ("eval_results: {compare: [d]}", {}, ["domain d: eval_results.compare names d itself", "remove it"]),
        (
            "pt_adapter: {method: p_tuning}",
            {},
            ["pt_adapter.method is p_tuning", "sft_adapter.relay is merge", "(lora)", "relay: continue", "none"],
        ),
        (
            "pt_adapter: {method: prefix_tuning}\nsft_adapter: {relay: continue}",
            {},
            ["pt_adapter.method is prefix_tuning and sft_adapter.method is lora", "relay to merge"],
        ),
        (
            "pt_adapter: {rank: 16}\nsft_adapter: {relay: continue, target_modules: mlp}",
            {},
            ["pt_adapter.target_modules is all-linear and sft_adapter.target_modules is mlp", "set both"],
        ),
        (
            "sft_adapter: {method: full, dropout: 0.1}",
            {},
            ["sft_adapter.dropout is 0.1", "method full has no such choice", "expected 0.0"],
        ),
        (
            "sft_adapter: {lora_plus_ratio: 4.0}",
            {},
            [
                "sft_adapter.lora_plus_ratio is 4.0",
                "method lora has no such choice",
                "expected 16.0",
                "to one of lora_plus",
            ],
        ),
        (
            "sft_adapter: {virtual_tokens: 8}",
            {},
            ["sft_adapter.virtual_tokens is 8", "method lora has no such choice", "one of p_tuning, prefix_tuning"],
        ),
        ("base_model: {added_tokens: [a, a]}", {}, ["d.yaml", "base_model.added_tokens", "'a' stands there twice"]),
        (
            "instruct_model: {added_tokens: [<a>]}",
            {},
            ["instruct_model.added_tokens names <a>", "relay is merge", "base_model.added_tokens"],
        ),
        (
            "sft_adapter: {trained_embeddings: added}",
            {},
            ["sft_adapter.trained_embeddings is added, and base_model.added_tokens names none", "to none or all"],
        ),
        ("pt_adapter: {method: loar}", {}, ["pt_adapter.method", "'lora'", "'p_tuning'"]),
        ("pt_adapter: {dropout: 1.0}", {}, ["pt_adapter.dropout", "less than 1"]),
        (
            "clean_shards: {source_presets: {hpp: manual}}",
            {},
            [
                "domain d: clean_shards.source_presets names the source hpp, which is not in sources",
                "did you mean 'hpo'",
            ],
        ),
        ("sources: {x: {role: corpora, local: a}}", {}, ["sources.x.role", "'corpus'", "'corpora'"]),
        ("sources: {x: {role: corpus, locl: a}}", {}, ["sources.x.locl", "'local'"]),
        (
            "sources: {hpo: {local: null, fetch: {package: a, version: '1', sha256: abc}}}",
            {},
            ["fetch.sha256", "'abc'"],
        ),
        ("sources: [a]", {}, ["d.yaml", "sources", "mapping"]),
        ("- a\n- b", {}, ["d.yaml", "mapping of sections", "list"]),
        ("a: [1", {}, ["d.yaml", "not valid YAML"]),
        ("seed: 1\nseed: 2", {}, ["d.yaml", "line 2, column 1", "'seed'", "twice"]),
        ("", {"pt_adapter": {"learnin_rate": 1}}, ["--config", "learnin_rate", "'learning_rate'"]),
        ("", {"pt_adapter.learning_rate": 1}, ["--config", "'pt_adapter.learning_rate'", "'pt_adapter'"]),
        ("", {"zzzz": 1}, ["--config", "'zzzz'", "valid are", "base_model"]),
        ("sources: {hpo: null}", {}, ["sources", "role corpus", "local: FOLDER"]),
        ("sources: {model: null}", {}, ["exactly one with role base_model", "found 0"]),
        ("sources: {wikipedia: null, more: null}", {}, ["replay_share", "replay_share: 0.0"]),
        ("corpus_split: {validation_share: 0.5, test_share: 0.5}", {}, ["validation_share 0.5", "nothing to train on"]),
        ("policy: [{where: {stanc: a}, use: [pt]}]", {}, ["d.yaml", "policy.0.where.stanc", "'stance'"]),
        ("policy: [{use: [train]}]", {}, ["policy.0.use.0", "'train'", "'pt'"]),
        ("policy: [{where: {stance: a}}]", {}, ["policy.0.use", "required"]),
        ("policy: [{where: {role: evalation}, use: []}]", {}, ["policy.0.where.role", "'evalation'", "evaluation"]),
        (
            "policy: [{where: {source: hpoo}, use: [pt]}]",
            {},
            ["policy.0.where.source", "'hpoo'", "did you mean 'hpo'?"],
        ),
        ("extends: d", {}, ["circle", "d -> d"]),
        ("extends: lw", {}, ["no domain 'lw'", "did you mean 'law'"]),
        ("extends: ../law", {}, ["d.yaml: extends", "'../law' is no name of a domain"]),
        ("seed: 1_000", {}, ["seed", "integer", "'1_000'"]),
        ("base_model: {is_digit_splitting_restored: no}", {}, ["boolean", "'no'", "true or false"]),
        ("pt_adapter: {learning_rate: .nan}", {}, ["pt_adapter.learning_rate", "nan"]),
        ("pt_adapter: {alpha: .inf}", {}, ["pt_adapter.alpha", "inf"]),
        ("pt_adapter: {learning_rate: 1e999}", {}, ["pt_adapter.learning_rate", "inf"]),
    ],
)
def test_errors_name_file_key_value_and_fix(
    project: Project, domain: str, overrides: dict[str, object], parts: list[str]
) -> None:
    root = project(d=domain, law="")
    with pytest.raises(ConfigurationError) as caught:
        resolve(root, {"domain": "d", **overrides})
    assert [part for part in parts if part not in str(caught.value)] == [], str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "../../x",
        "/etc/passwd",
        "a/b",
        "a b",
        "",
        "'a\\n'",
        '"a\\n"',
        '"\\e[31m"',
        "..",
        "a" * 101,
        "Law",
        5,
        None,
        ["law"],
        True,
    ],
)
def test_a_domain_is_a_name_and_no_path(project: Project, name: object) -> None:
    with pytest.raises(ConfigurationError, match="is no name of a domain"):
        resolve(project(law=""), {"domain": name})


def test_values_in_lists_of_overrides_are_read_as_yaml() -> None:
    assert parse_overrides({"seed": ["0x1F", {"a": "1e-3"}]}).values == {"seed": [31, {"a": 0.001}]}


def test_a_book_in_the_place_of_a_value_is_not_printed(project: Project) -> None:
    root = project(d="".join(f"x{number}: [{'word, ' * 300}]\n" for number in range(300)) + f"seed: {'x' * 9000}\n")
    with pytest.raises(ConfigurationError) as caught:
        resolve(root, {"domain": "d"})
    assert len(str(caught.value)) < 20_000
    assert "and 281 more errors" in str(caught.value)


def test_a_configuration_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"config/config\.yaml: cannot be read: No such file"):
        resolve(tmp_path, {})


def test_every_error_is_named_at_once(project: Project) -> None:
    root = project(d="pt_adapter: {rnk: 4}\nsft_adapter: {rank: 0}\n")
    with pytest.raises(ConfigurationError) as caught:
        resolve(root, {"domain": "d"})
    assert len(str(caught.value).splitlines()) == 2


def test_a_file_that_is_not_utf_8_is_named(project: Project) -> None:
    root = project()
    (root / "config/domains/d.yaml").write_bytes("seed: 1  # caf\xe9\n".encode("latin-1"))
    with pytest.raises(ConfigurationError, match=r"config/domains/d\.yaml: not UTF-8"):
        resolve(root, {"domain": "d"})


def test_the_repository_s_own_domains_resolve(repository: Path) -> None:
    names = [path.stem for path in (repository / "config/domains").glob("*.yaml")]
    for name in ["medical", *names]:
        assert resolve(repository, {"domain": name}).domain == name


LISTS = "clean_shards: {word_lists: {adverts: {file: lists/adverts.txt, words: [sale], treatment: mask}}}"


def test_the_words_of_a_list_take_the_place_of_its_file(project: Project) -> None:
    root = project(d=LISTS)
    (root / "lists").mkdir()
    (root / "lists/adverts.txt").write_text("\ufeff# ours\nbuy now  # everywhere\n\n优惠\nC#\nsale\n", encoding="utf-8")
    found = resolve(root, {"domain": "d"}).clean_shards.word_lists["adverts"]
    assert (found.file, found.words, found.treatment) == (None, ["C#", "buy now", "sale", "优惠"], "mask")
    (root / "lists/adverts.txt").rename(root / "moved.txt")
    root.joinpath("config/domains/d.yaml").write_text(LISTS.replace("lists/adverts", "moved"), encoding="utf-8")
    assert resolve(root, {"domain": "d"}).clean_shards.word_lists["adverts"] == found


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot read lists.txt"), (b"\xff\xfe", "not UTF-8"), (b"# nothing\n", "holds no word")],
)
def test_a_list_that_cannot_be_read_is_named(project: Project, content: bytes | None, message: str) -> None:
    root = project(d="clean_shards: {word_lists: {adverts: {file: lists.txt}}}")
    if content is not None:
        (root / "lists.txt").write_bytes(content)
    with pytest.raises(ConfigurationError, match=rf"clean_shards\.word_lists\.adverts\.file: .*{message}"):
        resolve(root, {"domain": "d"})


def test_a_list_without_words_is_refused(project: Project) -> None:
    with pytest.raises(ConfigurationError, match=r"word_lists\.adverts: neither words nor a file"):
        resolve(project(d="clean_shards: {word_lists: {adverts: {}}}"), {"domain": "d"})


def test_text_of_an_override_is_no_number_and_no_yaml() -> None:
    values = {"sha256": "0" * 64, "revision": "1" * 40, "include": ["**/*.md", "[a]", "a: b", "'x'", "&a", "#"]}
    assert parse_overrides({"x": values}).values == {"x": values}
    with pytest.raises(ConfigurationError, match=r"--config: .*U\+DCFF"):
        parse_overrides({"language": "\udcff"})


def test_the_instruct_residual_asks_for_one_instruct_model(project: Project) -> None:
    relay = "sft_adapter: {relay: instruct_residual}\n"
    chat = "chat: {role: instruct_model, local: a}"
    root = project(
        lacking=relay,
        given=f"{relay}sources: {{{chat}}}\n",
        twice=f"{relay}sources: {{{chat}, other: {{role: instruct_model, local: b}}}}\n",
        unasked=f"sources: {{{chat}}}\n",
    )
    assert resolve(root, {"domain": "given"}).sources["chat"].role == "instruct_model"
    assert resolve(root, {"domain": "unasked"}).sft_adapter.relay == "merge"
    for domain, count in (("lacking", 0), ("twice", 2)):
        said = rf"relay is instruct_residual, and {count} have role instruct_model; expected exactly one.*role: instruct_model"
        with pytest.raises(ConfigurationError, match=said):
            resolve(root, {"domain": domain})


def test_the_chat_template_of_the_instruct_model_is_read_from_its_file(project: Project) -> None:
    root = project(law="instruct_model: {chat_template: mine.jinja}\n")
    (root / "mine.jinja").write_text("{{ messages }}")
    found = resolve(root, {"domain": "law"})
    assert (found.instruct_model.chat_template, found.base_model.chat_template) == ("{{ messages }}", None)
    (root / "mine.jinja").write_text(" ")
    with pytest.raises(ConfigurationError, match=r"instruct_model\.chat_template: mine\.jinja is empty"):
        resolve(root, {"domain": "law"})
