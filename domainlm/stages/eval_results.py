"""Artifact `eval_results`: every model of a domain on the same held-out sets.

In: the models, `corpus_split` (test, general_held_out, evaluation), `sft_dataset` (test), and compared domains'
results. Out: samples.jsonl (one row a set, item and model) and results.json (figures with 95 % intervals over
documents, paired differences, comparisons). Property kept: no text here was seen in training or used for a choice;
validation data are not used. The models are those of the domain's chain, so a PT model is scored only if SFT started
from it.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from domainlm.config.evaluation import EvalResults, EvalResultsSlice
from domainlm.contract import Inputs, Resources, StageError, Stats
from domainlm.evaluation.comparison import comparison, summary
from domainlm.evaluation.evaluate import Sample, evaluate_set, language_model, load_evaluated, with_rows
from domainlm.evaluation.limits import fewest_positions, within_positions
from domainlm.evaluation.own_words import own_words
from domainlm.evaluation.sets import (
    Encoder,
    HeldOutSet,
    Turn,
    TurnOf,
    answers,
    by_source,
    choices,
    definitions,
    generations,
    questions_in_turn,
    running_text,
)
from domainlm.models.base_digest import check_base
from domainlm.models.device import granted_device, rows_at_a_time
from domainlm.models.prompts import virtual_tokens_of
from domainlm.text.document import read_documents
from domainlm.text.json_files import write_json
from domainlm.text.json_rows import open_rows, write_row
from domainlm.tokens.chat import ConversationError, Messages, check_messages, split_turns
from domainlm.tokens.special import naming_source, read_special_tokens, source_name
from domainlm.tokens.spelled_out import not_in_messages, read_text_tokenizer
from domainlm.tokens.template import FIX, TemplateRefuses, template_renderer
from domainlm.tokens.tokenizer import read_tokenizer

COMPARED = "compare:"


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def held_out_sets(
    inputs: Inputs,
    chat: str,
    section: EvalResults,
    seed: int,
    turn_of: TurnOf,
    encoder: Encoder,
) -> list[HeldOutSet]:
    """The sets that have items.

    A domain without general text or evaluation sources has fewer.
    """
    folder = inputs.folders["corpus_split"]
    special = not_in_messages(inputs.folders[chat], encoder.tokenizer, encoder.tokens)
    rows = [row for row in read_rows(inputs.folders["sft_dataset"] / "test.jsonl") if _is_askable(row, special)]
    asked = questions_in_turn(rows, seed)
    test = list(read_documents(folder / "test.parquet"))
    sets = [
        definitions(test, encoder, section.max_definitions, seed),
        answers(asked, turn_of, encoder, section.max_answers),
        choices(test, section.max_choices, seed),
        generations(asked, turn_of, section.max_generations),
    ]
    general = read_documents(folder / "general_held_out.parquet")
    sets.append(running_text("general_held_out", general, encoder, section.max_general_tokens, seed))
    for source, documents in by_source(read_documents(folder / "evaluation.parquet")):
        sets.append(running_text(f"evaluation_{source}", documents, encoder, section.max_general_tokens, seed))
    return [found for found in sets if found.items]


@contextmanager
def turn_renderer(
    chat: Path, system_prompt: str | None, template_date: str | None, encoder: Encoder, name: str = "base_model"
) -> Iterator[TurnOf]:
    """The rendering of a question and its answer, as in training.

    chat: the checkpoint whose template writes them; name: its artifact. What the template writes before the answer's
    words is of the prompt.
    """
    from transformers import AutoTokenizer

    turn_end = encoder.tokens.turn_end
    system = [] if system_prompt is None else [{"role": "system", "content": system_prompt}]
    named = AutoTokenizer.from_pretrained(chat, local_files_only=True, trust_remote_code=False)
    with (
        naming_source(source_name(chat), name),
        template_renderer(named, template_date) as render,
        template_renderer(named, template_date, has_reasoning=False) as render_bare,
    ):

        def asked(question: Messages, prompt: str) -> str:
            """The prompt to answer, that of training where the template allows."""
            try:
                opened = render(question, True)
            except TemplateRefuses as error:
                raise StageError(
                    f"the chat template refuses a question that has no answer yet: {error}; {FIX}"
                ) from error
            if prompt.startswith(opened):
                return prompt
            # it opens a reasoning (Nemotron's <think>), and may be asked not to
            with suppress(TemplateRefuses):
                if prompt.startswith(render_bare(question, True)):
                    return prompt
            return opened

        def turn_of(question: str, answer: str) -> Turn:
            turns = [*system, {"role": "user", "content": question}, {"role": "assistant", "content": answer}]
            trained, said = (text for text, _ in split_turns(render, turns, turn_end)[:2])
            prompt, words = own_words(encoder.tokenizer, trained, said.removesuffix(turn_end), answer)
            return Turn(prompt, words, asked(turns[:-1], prompt))

        yield turn_of


def _is_askable(row: Mapping[str, Any], special: Collection[str]) -> bool:
    try:
        check_messages(row["messages"], special)
    except ConversationError:
        return False
    return [message["role"] for message in row["messages"]] == ["user", "assistant"]


def compared(inputs: Inputs, samples: list[Sample], section: EvalResults, seed: int) -> dict[str, dict[str, Any]]:
    """Comparison with each domain of eval_results.compare.

    StageError if one shares no item with this domain.
    """
    found = {}
    for domain in section.compare:
        others = read_rows(inputs.folders[f"{COMPARED}{domain}"] / "samples.jsonl")
        found[domain] = comparison(samples, others, seed, section.bootstrap_samples)
        if not found[domain]:
            raise StageError(
                f"eval_results.compare: {domain} shares no test item with this domain; expected a domain with the same"
                " sources, seed and corpus_split (one that extends the other): remove it from eval_results.compare"
            )
    return found


def run(inputs: Inputs, config: EvalResultsSlice, out: Path, scratch: Path, resources: Resources) -> Stats:
    section = config.section
    seed = config.seed
    chat = inputs.folders[config.chat]
    checkpoints = dict.fromkeys(one.checkpoint for one in config.models)
    with naming_source(source_name(chat), config.chat):
        positions = fewest_positions(
            [inputs.folders[name] for name in checkpoints], section.max_new_tokens if section.max_generations else 0
        )
    adapters = [inputs.folders[one.adapter] for one in config.models if one.adapter is not None]
    if positions is not None:
        # text and virtual tokens share them
        positions -= max(map(virtual_tokens_of, adapters), default=0)
    tokens = read_special_tokens(chat)
    encoder = Encoder(read_tokenizer(chat), read_text_tokenizer(chat), tokens)
    with turn_renderer(chat, config.system_prompt, config.template_date, encoder, config.chat) as turn_of:
        sets = held_out_sets(inputs, config.chat, section, seed, turn_of, encoder)
    sets, left_out = within_positions(sets, encoder, positions, section.max_new_tokens)
    for name, count in left_out.items():
        resources.log(f"{name}: {count} items need more than the {positions} positions of the model and are left out")
    items = sum(len(found.items) for found in sets)
    total = items * len(config.models)
    device = granted_device(resources)
    threads = rows_at_a_time(resources)
    samples: list[Sample] = []
    for one in config.models:
        adapter = inputs.folders[one.adapter] if one.adapter is not None else None
        if adapter is not None:
            check_base(adapter, inputs.folders[one.checkpoint])
        model = load_evaluated(inputs.folders[one.checkpoint], adapter).to(device)
        added = with_rows(model, tokens.vocab_size)
        if added:
            resources.log(
                f"{one.name}: {added} tokens of {config.chat} have no row in it and are given the mean of its rows"
            )
        for held_out in sets:
            done = len(samples)

            def tick(count: int, done: int = done) -> None:
                resources.progress(min(done + count, total), total, {})

            lm = language_model(model, encoder, section.max_new_tokens, tick, threads, positions)
            samples += evaluate_set(lm, held_out, one.name)
        resources.log(f"{one.name}: {items} items in {len(sets)} sets")
        del model, lm
        gc.collect()
    with open_rows(out / "samples.jsonl") as file:
        for row in samples:
            write_row(file, row)
    results = summary(samples, seed, section.bootstrap_samples)
    results["compare"] = compared(inputs, samples, section, seed)
    write_json(out / "results.json", results)
    names = [found.name for found in sets]
    return {"items": items, "models": [one.name for one in config.models], "sets": names, "left_out": left_out}
