"""For each gate a planted fault, caught, with its message."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from material.trainings import LENGTHS, SECTION, run
from safetensors.torch import load_file, save_file

from domainlm.contract import StageError
from domainlm.models import load, lora
from domainlm.models.lora import trainable_parameters
from domainlm.tokens.rows import PackedRows, read_split
from domainlm.training import gates, updates
from domainlm.training import train as train_module
from domainlm.training.gates import (
    check_labels,
    check_moved,
    check_packing,
    check_reloads,
    check_vocabulary,
    largest_gradients,
)

END = 9
WEIGHTS = "adapter_model.safetensors"


def packed(*rows: list[tuple[list[int], list[int]]]) -> PackedRows:
    """Rows of 8 of documents, each its ids and its labels; the rest is padding."""
    ids, positions, mask = (np.zeros((len(rows), 8), dtype=np.int32) for _ in range(3))
    for row, documents in enumerate(rows):
        at = 0
        for tokens, labels in documents:
            part = slice(at, at + len(tokens))
            ids[row, part], mask[row, part] = tokens, labels
            positions[row, part] = range(len(tokens))
            at += len(tokens)
        positions[row, at:] = range(8 - at)
    return PackedRows(ids, positions, mask.astype(np.uint8))


TEXT = ([4, 5, END], [0, 1, 1])
CUT = ([1, 2, 3, 4, 5, 6, 7, 8], [0, 1, 1, 1, 1, 1, 1, 1])
TURNS = ([3, 4, 5, END, 3, 6, END, 2], [0, 0, 1, 1, 0, 1, 1, 0])


def test_rows_whose_ends_are_learned_pass() -> None:
    check_labels(packed([TEXT, TEXT], [CUT], [([*CUT[0][:7], END], CUT[1])]), END, "<end>", is_end_of_text=True)
    check_labels(packed([TURNS], [([3, 5, END, 2], [0, 1, 1, 0]), TEXT]), END, "<end>", is_end_of_text=False)


@pytest.mark.parametrize(
    ("rows", "is_text", "message"),
    [
        ([[TEXT], [([4, 5, END], [0, 0, 0])]], True, r"^row 1 of the training split has no label"),
        (
            [[TEXT], [TEXT, ([4, 5, END], [0, 1, 0])]],
            True,
            r"^row 1 .* 3 to 5 ends with token 9, no label \(position 5\)",
        ),
        ([[([*CUT[0][:7], END], [*CUT[1][:7], 0])]], True, r"^row 0 .* 0 to 7 ends with token 9, no label"),
        ([[([4, 5, 6], [0, 1, 1])]], True, r"ends with token 6, a label .* expected token 9 \(<end>\) as a label"),
        (
            [[([3, 4, 5, END, 3, 6, END, 2], [0, 0, 1, 1, 0, 1, 0, 0])]],
            False,
            r"ends with token 6, a label \(position 5\)",
        ),
        ([[TURNS], [([3, 5, 2], [0, 1, 1])]], False, r"^row 1 .* ends with token 2, a label"),
    ],
)
def test_a_row_that_teaches_no_end_is_named(rows: list[Any], is_text: bool, message: str) -> None:
    with pytest.raises(StageError, match=message):
        check_labels(packed(*rows), END, "<end>", is_end_of_text=is_text)


def test_a_text_end_that_is_masked_leaves_no_artifact(
    make_base: Callable[..., Path], make_tokens: Callable[..., Path], tmp_path: Path
) -> None:
    tokens = make_tokens(LENGTHS)
    ids, mask = (np.load(tokens / f"train_{name}.npy") for name in ("ids", "loss_mask"))
    # what a collator does that masks by the padding id, which often is the end of text
    np.save(tokens / "train_loss_mask.npy", np.where(ids == 0, 0, mask).astype(np.uint8))
    with pytest.raises(StageError, match=r"expected token 0 \(<\|endoftext\|>\) as a label"):
        run(make_base("llama"), tokens, tmp_path)
    assert not list((tmp_path / "out").iterdir())


def test_documents_that_see_each_other_are_named(
    make_base: Callable[..., Path], make_tokens: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = read_split(make_tokens(LENGTHS), "train")
    original = load.hidden_states
    for dtype in ("float32", "bfloat16"):
        model = load.load_model(make_base("llama", dtype), dtype)
        check_packing(model, rows)
        with monkeypatch.context() as patch:
            patch.setattr(
                load,
                "hidden_states",
                lambda model, ids, positions: original(model, ids, torch.arange(ids.shape[1]).expand_as(ids)),
            )
            with pytest.raises(
                StageError,
                match=r"^row \d+ of the training split: document 2 of \d, at positions \d+ to .* sees another",
            ):
                check_packing(model, rows)


def test_rounding_by_shape_is_not_taken_for_another_document(
    make_base: Callable[..., Path], make_tokens: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = read_split(make_tokens(LENGTHS), "train")
    original = gates.label_losses

    length = rows.row_length

    def rounded(by: float) -> Callable[..., torch.Tensor]:
        return lambda *arguments: original(*arguments) + by * (arguments[2].row_length < length)

    model = load.load_model(make_base("llama", "bfloat16"), "bfloat16")
    monkeypatch.setattr(gates, "label_losses", rounded(0.1))
    check_packing(model, rows)
    monkeypatch.setattr(gates, "label_losses", rounded(2.0))
    with pytest.raises(
        StageError, match=r"differ by 2\.?\d* nats a token from its losses alone; expected at most 0\.3"
    ):
        check_packing(model, rows)


def test_a_label_that_another_document_predicts_is_named(
    make_base: Callable[..., Path], make_tokens: Callable[..., Path]
) -> None:
    rows = read_split(make_tokens(LENGTHS), "train")
    mask = np.array(rows.loss_mask)
    mask[rows.positions == 0] = 1
    model = load.load_model(make_base("llama"), "float32")
    with pytest.raises(StageError, match=r"^row \d+ of the training split has \d+ labels, its documents \d+;"):
        check_packing(model, PackedRows(rows.ids, rows.positions, mask))


def test_a_token_beyond_the_vocabulary_is_named(
    make_base: Callable[..., Path], make_tokens: Callable[..., Path]
) -> None:
    model = load.load_model(make_base("llama"), "float32")
    rows = read_split(make_tokens(LENGTHS), "train")
    check_vocabulary(model, {"training": rows})
    ids = np.array(rows.ids)
    ids[2, 3] = 400
    with pytest.raises(StageError, match=r"^row 2 of the training split holds token 400, and the model has 264"):
        check_vocabulary(model, {"training": PackedRows(ids, rows.positions, rows.loss_mask)})


def test_layers_that_should_be_tied_are_compared(
    make_base: Callable[..., Path], make_tokens: Callable[..., Path]
) -> None:
    model = load.load_model(make_base("llama"), "float32")
    rows = {"training": read_split(make_tokens(LENGTHS), "train")}
    output = model.get_output_embeddings()
    output.weight = torch.nn.Parameter(output.weight.detach().clone())
    check_vocabulary(model, rows)
    with torch.no_grad():
        output.weight[7, 3] += 1
    with pytest.raises(
        StageError, match=r"^the embedding of token 7 differs .* \(tie_word_embeddings; 1 rows differ\)"
    ):
        check_vocabulary(model, rows)


def test_a_weight_that_rounding_keeps_still_is_named() -> None:
    parameters = [
        ("lora_A", torch.nn.Parameter(torch.ones(3))),
        ("lora_B", torch.nn.Parameter(torch.zeros(2, 2, dtype=torch.bfloat16))),
        ("low", torch.nn.Parameter(torch.ones(2, 2, dtype=torch.bfloat16))),
    ]
    optimizer = torch.optim.AdamW([parameter for _, parameter in parameters], lr=1e-4, weight_decay=0.0)
    for name, parameter in parameters:
        # A has no gradient while B is zero
        parameter.grad = torch.full_like(parameter, 0.0 if name == "lora_A" else 0.3)
    places = largest_gradients(parameters)
    assert [place is None for place in places] == [True, False, False]
    optimizer.step()
    check_moved(parameters[:2], places[:2], 1e-4)
    with pytest.raises(StageError, match=r"^low did not change in the first update.* size 0.0001 .* torch.bfloat16"):
        check_moved(parameters, places, 1e-4)


def test_a_weight_that_no_optimizer_has_leaves_no_artifact(
    make_base: Callable[..., Path], make_tokens: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten = "layers.1.self_attn.q_proj.lora_B.default.weight"
    optimizers = torch.optim.AdamW

    def without_one(groups: list[dict[str, Any]], **values: Any) -> Any:
        names = {id(weight): name for name, weight in named}
        for group in groups:
            group["params"] = [weight for weight in group["params"] if forgotten not in names[id(weight)]]
        return optimizers(groups, **values)

    def seen(model: Any) -> list[Any]:
        named[:] = trainable_parameters(model)
        return named

    named: list[Any] = []
    monkeypatch.setattr(updates, "trainable_parameters", seen)
    monkeypatch.setattr(torch.optim, "AdamW", without_one)
    with pytest.raises(StageError, match=rf"{forgotten} did not change in the first update"):
        run(make_base("llama"), make_tokens(LENGTHS), tmp_path)
    assert not list((tmp_path / "out").iterdir())


def faulty(tensors: dict[str, torch.Tensor], name: str, fault: str) -> dict[str, torch.Tensor]:
    value = tensors[name].clone()
    if fault == "zero":
        value.zero_()
    elif fault == "not finite":
        value[0, 0] = float("nan")
    elif fault == "empty":
        # what ZeRO-3 leaves of a parameter that was not gathered
        value = torch.empty(0)
    else:
        value = value.t().contiguous()
    others = {other: tensor for other, tensor in tensors.items() if other != name}
    return others if fault == "absent" else {**others, name: value}


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("zero", "after loading"),
        ("absent", r"^the saved adapter lacks base_model.*lora_B.weight"),
        ("empty", r"^base_model.*lora_B.weight was saved as \[0\]; expected \[32, 4\]"),
        ("turned", r"^base_model.*lora_B.weight was saved as \[4, 32\]; expected \[32, 4\]"),
        ("not finite", r"^base_model.*lora_B.weight was saved with 1 values that are not finite"),
    ],
)
def test_an_adapter_that_lost_something_is_refused(
    fault: str,
    message: str,
    make_base: Callable[..., Path],
    make_tokens: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def save_with_a_fault(model: object, folder: Path, base_name: str) -> None:
        original(model, folder, base_name)
        tensors = load_file(folder / WEIGHTS)
        name = sorted(name for name in tensors if "o_proj.lora_B" in name)[-1]
        save_file(faulty(tensors, name, fault), folder / WEIGHTS)

    original = lora.save_adapter
    monkeypatch.setattr(train_module.lora, "save_adapter", save_with_a_fault)
    with pytest.raises(StageError, match=message):
        run(make_base("llama"), make_tokens(LENGTHS), tmp_path, SECTION.model_copy(update={"epochs": 1}))


def test_a_changed_base_is_noticed(
    make_base: Callable[..., Path], make_tokens: Callable[..., Path], tmp_path: Path
) -> None:
    base, tokens = make_base("llama"), make_tokens(LENGTHS)
    run(base, tokens, tmp_path)
    validation = read_split(tokens, "validation")
    with pytest.raises(StageError, match="after loading"):
        check_reloads(base, "bfloat16", tmp_path / "out", torch.device("cpu"), "lora", validation, [(1.0, 3)])
