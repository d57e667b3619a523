"""Where an answer's own words begin in what a chat template writes.

In: a prompt and an answer as they are trained, the answer itself. Out: both, with all that the template writes before
the answer's words in the prompt (Qwen3's empty reasoning, gpt-oss' channel). Training learns that, so that the model
writes it where its prompt has not; but an evaluation that counted it would measure the template. Property kept: the
words' tokens are those that are trained on. A blank that is one token with the first word (SentencePiece) stays with it.
"""

from __future__ import annotations

from typing import Any

from domainlm.evaluation.scoring import encode_answer


def own_words(tokenizer: Any, prompt: str, said: str, answer: str) -> tuple[str, str]:
    """Prompt and answer, divided where the answer's own words begin.

    said: what is trained of the answer, up to the end of its turn; it ends with the answer's words.
    """
    start = len(said.rstrip()) - len(answer.strip())
    if start <= 0:
        # the prompt opens a reasoning, with which the answer begins
        return prompt, said
    # of an answer's own first line; empty lines before it are none of its words, and many templates remove them
    indent = answer[: len(answer) - len(answer.lstrip())].rpartition("\n")[2]
    places = [start, len(said[:start].rstrip())]
    if said[:start].endswith(indent):
        places.insert(0, start - len(indent))
    trained: tuple[int, ...] = ()
    for place in places:
        if place <= 0:
            break
        trained = trained or encode_answer(tokenizer, prompt, said).ids
        found = encode_answer(tokenizer, prompt + said[:place], said[place:])
        if found.ids[found.first :] == trained[found.first - len(found.ids) :]:
            return prompt + said[:place], said[place:]
    return prompt, said
