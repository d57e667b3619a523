from __future__ import annotations

import pytest

from domainlm.config.domain import DomainConfig
from domainlm.pipeline.chain import artifacts_of, chain, chat_form, pretrained, start_of_sft

CHAINS = {
    "merge": [("base", "base_model", None), ("pt", "merged_model", None), ("sft", "merged_model", "sft_adapter")],
    "continue": [
        ("base", "base_model", None),
        ("pt", "base_model", "pt_adapter"),
        ("sft", "base_model", "sft_adapter"),
    ],
    "none": [("base", "base_model", None), ("sft", "base_model", "sft_adapter")],
    "instruct_residual": [
        ("base", "base_model", None),
        ("instruct", "instruct_model", None),
        ("pt", "merged_model", None),
        ("residual", "instruct_residual", None),
        ("sft", "instruct_residual", "sft_adapter"),
    ],
}


@pytest.mark.parametrize("relay", CHAINS)
def test_the_models_of_each_relay(relay: str) -> None:
    config = DomainConfig.model_validate({"sft_adapter": {"relay": relay}})
    assert [(model.name, model.checkpoint, model.adapter) for model in chain(config)] == CHAINS[relay]


WHOLE = {
    "merge": [("base", "base_model", None), ("pt", "merged_model", None), ("sft", "sft_adapter", None)],
    "continue": [("base", "base_model", None), ("pt", "pt_adapter", None), ("sft", "sft_adapter", None)],
    "none": [("base", "base_model", None), ("sft", "sft_adapter", None)],
}


@pytest.mark.parametrize("relay", WHOLE)
@pytest.mark.parametrize("method", ["full", "osf"])
def test_a_whole_model_is_its_own_checkpoint(relay: str, method: str) -> None:
    values = {"sft_adapter": {"relay": relay, "method": method}, "pt_adapter": {"method": method}}
    config = DomainConfig.model_validate(values)
    assert [(model.name, model.checkpoint, model.adapter) for model in chain(config)] == WHOLE[relay]
    started = {"merge": ("merged_model",), "continue": ("pt_adapter",), "none": ("base_model",)}
    assert artifacts_of(start_of_sft(config)) == started[relay]


def test_an_adapter_of_a_whole_model_names_both() -> None:
    config = DomainConfig.model_validate({"pt_adapter": {"method": "full"}})
    assert [(model.checkpoint, model.adapter) for model in chain(config)[1:]] == [
        ("merged_model", None),
        ("merged_model", "sft_adapter"),
    ]


@pytest.mark.parametrize(
    ("relay", "artifacts"),
    [
        ("merge", ("merged_model",)),
        ("continue", ("base_model", "pt_adapter")),
        ("none", ("base_model",)),
        ("instruct_residual", ("instruct_residual",)),
    ],
)
def test_what_sft_starts_from(relay: str, artifacts: tuple[str, ...]) -> None:
    config = DomainConfig.model_validate({"sft_adapter": {"relay": relay}})
    assert artifacts_of(start_of_sft(config)) == artifacts


@pytest.mark.parametrize("relay", CHAINS)
def test_the_checkpoint_whose_chat_form_conversations_take(relay: str) -> None:
    config = DomainConfig.model_validate({"sft_adapter": {"relay": relay}})
    assert chat_form(config) == ("instruct_model" if relay == "instruct_residual" else "base_model")


@pytest.mark.parametrize("relay", CHAINS)
def test_the_model_after_pretraining(relay: str) -> None:
    found = pretrained(DomainConfig.model_validate({"sft_adapter": {"relay": relay}}))
    expected = {"merge": "merged_model", "instruct_residual": "merged_model", "continue": "base_model"}
    assert (None if found is None else found.checkpoint) == expected.get(relay)
