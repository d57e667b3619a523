from __future__ import annotations

from pathlib import Path

import pytest
from material.new_domains import LEAFLETS, made, write
from material.torture import ENGLISH, SIMPLIFIED

from domainlm.config.resolve import resolve
from domainlm.config.yaml_text import parsed_yaml
from domainlm.scaffold import domain_file
from domainlm.scaffold.domain_file import yaml_scalar
from domainlm.scaffold.new import write_domain


def test_without_inherited_texts_there_is_nothing_to_leave_out(project: Path) -> None:
    text = "sources:\n  mine: {role: base_model, local: model}\ncorpus_split: {replay_share: 0.0}\n"
    (project / "config/config.yaml").write_text(text)
    write(project / "data/leaflets", {"a.txt": ENGLISH})
    assert made(project, licence="CC0-1.0").text.splitlines()[2:] == [
        "sources:",
        *("  leaflets:", "    role: corpus", "    local: data/leaflets", "    licence: CC0-1.0"),
    ]


def test_sources_of_another_layer_are_not_merged_with_the_folder(project: Path) -> None:
    write(project / "data/leaflets", {"a.txt": ENGLISH})
    write_domain(project, made(project, name="wikipedia"))
    sources = resolve(project, {"domain": "wikipedia"}).sources
    assert (list(sources), sources["wikipedia_2"].local) == (["smollm2", "wikipedia_2"], "data/leaflets")


def test_the_same_folder_gives_the_same_text_whatever_the_order(project: Path) -> None:
    write(project / "data/one", LEAFLETS)
    write(project / "data/two", dict(reversed(LEAFLETS.items())))
    one, again, two = (made(project, f"data/{name}") for name in ("one", "one", "two"))
    assert one == again
    assert one.text.replace("data/one", "data/two") == two.text
    assert one.survey == two.survey


@pytest.mark.parametrize(
    "text",
    [
        *(
            "data/leaflets",
            "/srv/a-b_c.d",
            "资料/指南",
            "a b",
            "a: b",
            "#x",
            "- x",
            "{a}",
            "007",
            "1e3",
            "true",
            "null",
            "~",
            "",
        ),
        *(
            'say "no"',
            "back\\slash",
            "line\nfeed",
            "\t",
            "\x7f\x85\u2028\ufeff\ufffe",
            "😀",
            "🏳\u200d🌈",
            "é",
            "*a",
            "a,b",
            "[x",
        ),
    ],
)
def test_a_value_reads_back_as_itself(text: str) -> None:
    assert parsed_yaml(f"a: {yaml_scalar(text)}  # b\nc: {{d: {yaml_scalar(text)}, e: 1}}\n") == {
        "a": text,
        "c": {"d": text, "e": 1},
    }


def test_a_folder_outside_the_project_is_named_by_its_absolute_path(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = write(tmp_path / "papers", {"a.txt": ENGLISH})
    monkeypatch.setenv("HOME", str(tmp_path))
    for given in (str(outside), "../papers", "~/papers"):
        found = made(project, given)
        assert f"local: {outside}\n" in found.text
        assert any(f"{outside} lies outside the project" in note for note in found.notes)
    (project / "data").mkdir()
    (project / "data/link").symlink_to(outside)
    for given in ("data/link", str(project / "data/link"), "data/../data/link/"):
        assert "local: data/link\n" in made(project, given).text


def test_a_folder_beside_the_project_whose_name_begins_like_it_is_outside(project: Path, tmp_path: Path) -> None:
    outside = write(tmp_path / "project_texts", {"a.txt": ENGLISH})
    assert f"local: {outside}\n" in made(project, str(outside)).text


def test_a_folder_in_chinese(project: Path) -> None:
    write(project / "data/zh", {f"{number}.txt": (SIMPLIFIED * 3).encode("gb18030") for number in range(9)})
    lines = made(project, "data/zh").text.splitlines()
    assert "language: zh  # main language of the corpus" in lines
    assert any(line.startswith("sft_tokens: {system_prompt: ") for line in lines)
    assert any("smollm2" in note and "zh" in note for note in made(project, "data/zh").notes)
    # of ten files one in English leaves it, of five no more: there each document is asked about in its own language
    write(project / "data/zh", {"a.txt": ENGLISH})
    assert "language: zh" in made(project, "data/zh").text
    write(project / "data/zh", {"b.txt": ENGLISH})
    assert "language:" not in made(project, "data/zh").text.replace("yaml-language-server:", "")


def test_a_project_in_chinese_needs_no_line_for_it(project: Path) -> None:
    path = project / "config/config.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("language: en", "language: zh", 1), encoding="utf-8")
    write(project / "data/zh", {"a.txt": SIMPLIFIED * 3})
    text = made(project, "data/zh").text
    assert "language: zh" not in text
    assert "system_prompt" not in text


def test_a_large_folder_gets_more_shards(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(project / "data/leaflets", {f"{number}.txt": ENGLISH for number in range(10)})
    assert "shards" not in made(project).text
    monkeypatch.setattr(domain_file, "SHARD_BYTES", 2 * len(ENGLISH))
    assert "raw_corpus: {shards: 5}" in made(project).text
    monkeypatch.setattr(domain_file, "MAX_SHARDS", 3)
    assert "raw_corpus: {shards: 3}" in made(project).text
