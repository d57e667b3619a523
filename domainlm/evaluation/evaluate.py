"""One model on the held-out sets, through lm-eval.

In: a checkpoint with or without an adapter, held-out sets. Out: one sample a set and item: the negative
log-likelihood and its tokens, the choice made, or the answer generated. lm-eval owns the tasks and their metrics. The
model behind it is our own, for packed rows of one shape, for tokenising the whole text at once, and to record whether
the model ended an answer by itself, which lm-eval's generation does not report. Compute is fp32 on every machine,
with the adapter added to the weights.
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from domainlm.evaluation.generation import Generation, greedy_answers
from domainlm.evaluation.intervals import rounded
from domainlm.evaluation.scoring import ROW_TOKENS, Scored, encode_answer, encode_pair, scores
from domainlm.evaluation.sets import Encoder, HeldOutSet, Item
from domainlm.evaluation.token_f1 import token_f1
from domainlm.models import prompts
from domainlm.models.changes import add_adapter
from domainlm.models.load import load_model
from domainlm.models.lora import saved_adapter

# lm-eval wants some, and nothing here reads them; none of the nats of a whole text: exp() ends at 709, a page of Chinese has more
METRICS = {
    "loglikelihood": [{"metric": "perplexity", "aggregation": "mean", "higher_is_better": False}],
    "multiple_choice": [
        {"metric": "acc", "aggregation": "mean", "higher_is_better": True},
        {"metric": "acc_norm", "aggregation": "mean", "higher_is_better": True},
    ],
    "loglikelihood_rolling": [
        {"metric": "byte_perplexity", "aggregation": "weighted_perplexity", "higher_is_better": False}
    ],
    "generate_until": [{"metric": "bypass", "aggregation": "bypass", "higher_is_better": True}],
}

Sample = dict[str, Any]
Tick = Callable[[int], None]


def load_evaluated(folder: Path, adapter: Path | None) -> Any:
    """A checkpoint in fp32 with the adapter added to its weights.

    The addition saves 200 small products a pass.
    """
    import torch

    model = load_model(folder, "float32")
    if adapter is None:
        return model
    if prompts.is_prompt(adapter):
        return prompts.saved(model, adapter)
    adapted = saved_adapter(model, adapter)
    with torch.no_grad():
        add_adapter(adapted)
    return adapted.unload().eval()


def with_rows(model: Any, rows: int) -> int:
    """Give the tokens that a model lacks the mean of its rows.

    Returns their number. A base model is asked in the chat form of its instruct model, which may have added tokens. A mean row says nothing
    of its own, in the input as in the output.
    """
    import torch

    known = int(model.get_input_embeddings().weight.shape[0])
    if rows <= known:
        return 0
    model.resize_token_embeddings(rows, mean_resizing=False)
    with torch.no_grad():
        for layer in (model.get_input_embeddings(), model.get_output_embeddings()):
            for weight in (layer.weight, getattr(layer, "bias", None)):
                if weight is not None:
                    weight[known:] = weight[:known].mean(dim=0)
    model.requires_grad_(False)
    return rows - known


def language_model(
    model: Any, encoder: Encoder, max_new_tokens: int, tick: Tick, threads: int, positions: int | None = None
) -> Any:
    """The model in lm-eval's interface.

    positions: those that it has, None for no limit; running text is scored in windows within them. Generations are kept
    by prompt in `generated`, for facts that their text does not show.
    """
    from lm_eval.api.model import LM
    from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

    tokenizer, texts, tokens = encoder.tokenizer, encoder.texts, encoder.tokens

    class PackedLanguageModel(LM):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.generated: dict[str, Generation] = {}
            # whether contexts are prompts: a chat template writes all that precedes an answer
            self.is_prompted = False

        def loglikelihood(self, requests: Any) -> list[tuple[float, bool]]:
            asked = [(request.args[0], request.args[1]) for request in requests]
            if self.is_prompted:
                pairs = [encode_answer(tokenizer, prompt, answer) for prompt, answer in asked]
            else:
                pairs = [encode_pair(texts, context, continuation, tokens) for context, continuation in asked]
            found = scores(model, pairs, tokens.pad_id, tick, threads, positions)
            return [(score.log_likelihood, score.is_greedy) for score in found]

        def loglikelihood_rolling(self, requests: Any) -> list[float]:
            start = tokens.text_start_ids or (tokens.end_of_text_id,)
            window_tokens = ROW_TOKENS - 1 if positions is None else min(ROW_TOKENS - 1, positions - len(start))
            windows: list[Scored] = []
            owners: list[int] = []
            for owner, request in enumerate(requests):
                ids = texts.encode(request.args[0], add_special_tokens=False).ids
                for window in get_rolling_token_windows(ids, start[-1], window_tokens, 1):
                    context, continuation = make_disjoint_window(window)
                    # the first window's context is the last of these tokens
                    before = (*(start[:-1] if owners[-1:] != [owner] else ()), *context)
                    windows.append(Scored((*before, *continuation), len(before)))
                    owners.append(owner)
            sums = [0.0] * len(requests)
            for owner, score in zip(
                owners, scores(model, windows, tokens.pad_id, tick, threads, positions), strict=True
            ):
                sums[owner] += score.log_likelihood
            return sums

        def generate_until(self, requests: Any) -> list[str]:
            prompts = [request.args[0] for request in requests]
            ids = [tokenizer.encode(prompt, add_special_tokens=False).ids for prompt in prompts]
            stops = [tokens.turn_end_id, tokens.end_of_text_id]
            found = greedy_answers(model, ids, stops, tokens.pad_id, max_new_tokens, tick, threads)
            self.generated = dict(zip(prompts, found, strict=True))
            return [str(tokenizer.decode(list(answer.ids), skip_special_tokens=True)).strip() for answer in found]

    return PackedLanguageModel()


def evaluate_set(lm: Any, held_out: HeldOutSet, model_name: str) -> list[Sample]:
    """Samples of one set, in the order of its items.

    Figures have 6 significant digits.
    """
    from lm_eval import evaluate

    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    task = _task(held_out)
    lm.is_prompted = held_out.is_prompted
    # lm-eval's own bars would run through the stage's; errors are raised, not printed
    with contextlib.redirect_stderr(io.StringIO()):
        found: Any = evaluate(lm=lm, task_dict={held_out.name: task}, bootstrap_iters=0, log_samples=True)
    by_item = {sample["doc_id"]: sample for sample in found["samples"][held_out.name]}
    rows = []
    for index, item in enumerate(held_out.items):
        figures = _figures(held_out.output_type, item, by_item[index], lm.generated)
        rows.append(
            {"set": held_out.name, "id": item["id"], "model": model_name, "document": item["document"], **figures}
        )
    return rows


def _task(held_out: HeldOutSet) -> Any:
    from datasets import Dataset
    from lm_eval.api.task import ConfigurableTask

    keys = sorted({"context", "continuation", "choices", "gold"}.intersection(*held_out.items))
    rows = [{"context": "", **{key: item[key] for key in keys}} for item in held_out.items]
    config: dict[str, Any] = {
        "task": held_out.name,
        "custom_dataset": lambda **_: {"test": Dataset.from_list(rows)},
        "test_split": "test",
        "output_type": held_out.output_type,
        # names of fields, not templates: texts are not rendered
        "doc_to_text": "context",
        "doc_to_target": "gold" if held_out.output_type == "multiple_choice" else "continuation",
        "target_delimiter": "",
        "num_fewshot": 0,
        "metric_list": METRICS[held_out.output_type],
        "metadata": {"version": 1},
    }
    if held_out.output_type == "multiple_choice":
        config["doc_to_choice"] = "choices"
    if held_out.output_type == "generate_until":
        config["generation_kwargs"] = {"until": [], "do_sample": False}
    return ConfigurableTask(config=config)


def _figures(output_type: str, item: Item, sample: Mapping[str, Any], generated: Mapping[str, Generation]) -> Sample:
    response = sample["filtered_resps"][0]
    if output_type == "loglikelihood":
        return {"nll": rounded(-response[0]), "tokens": item["tokens"], **_kind(item)}
    if output_type == "loglikelihood_rolling":
        return {"nll": rounded(-response), "tokens": item["tokens"]}
    if output_type == "multiple_choice":
        likelihoods = [rounded(choice[0]) for choice in sample["filtered_resps"]]
        accuracies = {"accuracy": float(sample["acc"]), "accuracy_normalised": float(sample["acc_norm"])}
        return {"log_likelihoods": likelihoods, "gold": item["gold"], **accuracies}
    answer = generated[item["context"]]
    return {
        "question": item["question"],
        "reference": item["continuation"],
        "answer": response,
        "tokens": len(answer.ids),
        "is_ended": answer.is_ended,
        "f1": rounded(token_f1(response, item["continuation"])),
        **_kind(item),
    }


def _kind(item: Item) -> Sample:
    return {"kind": item["kind"]} if "kind" in item else {}
