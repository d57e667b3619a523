"""The whole cleaning of one document, in one order.

In: a document as read, and the rules of a run. Out: the clean document with the counts of findings in it, or the rule
that it fails. The order: repair, normal form, repeated lines, length; language and mix; published quality rules, the
project's own; personal data, secrets, word lists. A rule measures the text that would be kept, and the most costly
steps come last. Title, section and the strings in `meta` are changed like the text, so that each is still found in
it. Rules of quality do not apply to instruction and evaluation texts, because a short answer is not a bad one; but
every text is written alike, or a question could not be found again in a training text. The turns of a conversation
keep their layout, though: indentation, blank lines and the blanks of a Markdown break are learned as they are. For the same reason an
evaluation text with content that drops other documents stays, with that content masked.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from domainlm.config.cleaning import CleanShards
from domainlm.text.characters import normalised, with_plain_characters
from domainlm.text.cleaning.language import UNDETERMINED, han_share, language_of
from domainlm.text.cleaning.normalise import in_script, with_ascii_width, without_repeats
from domainlm.text.cleaning.pii import personal_data
from domainlm.text.cleaning.plain import EMPTY, Failure, length_failure, plain_failure
from domainlm.text.cleaning.presets import Judged, judged_by
from domainlm.text.cleaning.prose import prose_lines
from domainlm.text.cleaning.quality import kept_lines, quality_failure
from domainlm.text.cleaning.repair import repaired
from domainlm.text.cleaning.secrets import secrets_in
from domainlm.text.cleaning.spans import Span, masked, without_overlaps
from domainlm.text.cleaning.word_lists import WordLists, listed_words, word_lists_of
from domainlm.text.document import MESSAGE_ROLES, MESSAGES_FORM, Document
from domainlm.text.policy import acting_role

# what a count's name begins with, and a mask's does not
_FAMILY = re.compile("^(?:personal_data|secret|word_list)_")
# roles whose text is taken as it is: a short question or answer is not a bad one
_UNJUDGED = ("instruction", "evaluation")


@dataclass(frozen=True)
class Cleaned:
    """A kept document with its language, Han share and findings.

    language: ISO 639-1, or "und". counts: repaired_lines, repeated_lines, rewritten_turns (those of a conversation
    whose characters changed), personal_data_<kind>, secret_<kind>,
    word_list_<name>, whatever their treatment; they can be summed over documents.
    """

    document: Document
    language: str
    han_share: float
    counts: Mapping[str, int]


@dataclass(frozen=True)
class Rules:
    """A run's configuration, prepared once per shard.

    judged_by_source: where it differs from `judged`.
    """

    config: CleanShards
    judged: Judged
    judged_by_source: Mapping[str, Judged]
    word_lists: WordLists | None
    treatments: Mapping[str, str]


def rules_of(config: CleanShards) -> Rules:
    treatments = {f"personal_data_{kind}": treatment for kind, treatment in config.personal_data.model_dump().items()}
    treatments |= {f"word_list_{name}": entry.treatment for name, entry in config.word_lists.items()}
    word_lists = word_lists_of(config.word_lists, lambda word: _forms_of(word, config))
    by_source = {source: judged_by(config, source) for source in config.source_presets}
    return Rules(config, judged_by(config, ""), by_source, word_lists, treatments)


def _forms_of(word: str, config: CleanShards) -> tuple[str, str]:
    """A listed word in the form and the script of the texts."""
    written = _written(word, config)[0]
    return written, in_script(written, config.script)


def _role_played(document: Document) -> str:
    """By its use; its own role where the policy was not asked."""
    return acting_role(document.role, document.use) if document.use else document.role


def _changed(value: Any, change: Callable[[str], str], change_turn: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_changed(item, change, change_turn) for item in value]
    if isinstance(value, dict):
        is_turn = value.get("role") in MESSAGE_ROLES
        found = {}
        for key, item in value.items():
            # the role of a turn and the form of a conversation are words of the format
            if (is_turn and key == "role") or key == MESSAGES_FORM:
                found[key] = item
            else:
                found[key] = _changed(item, change_turn if is_turn and key == "content" else change, change_turn)
        return found
    return value


def with_strings(
    document: Document,
    change: Callable[[str], str],
    is_text_done: bool = False,
    change_turn: Callable[[str], str] | None = None,
) -> Document:
    """The document with text, title, section and `meta` strings changed alike.

    So each is still found in the text. change_turn: for the words of a conversation's turns, if they are to be changed
    otherwise.
    """
    meta = document.meta
    if meta != "{}":
        changed = _changed(json.loads(meta), change, change_turn or change)
        meta = json.dumps(changed, sort_keys=True, ensure_ascii=False)
    text = document.text if is_text_done else change(document.text)
    return replace(document, text=text, title=change(document.title), section=change(document.section), meta=meta)


def language_failure(language: str, share: float, config: CleanShards) -> Failure | None:
    """The limit of language or mix that a text is beyond."""
    if config.languages and language not in config.languages:
        return Failure("languages", language, ",".join(sorted(config.languages)))
    if share < config.min_han_share:
        return Failure("min_han_share", round(share, 4), config.min_han_share)
    if share > config.max_han_share:
        return Failure("max_han_share", round(share, 4), config.max_han_share)
    return None


def _judged_failure(text: str, language: str, judged: Judged) -> Failure | None:
    """The published rule that a text fails, or its lines of prose.

    A text without such lines is code, which no rule is about.
    """
    if judged.is_prose_judged:
        text = "\n".join(prose_lines(text))
        if not text:
            return None
    return quality_failure(text, language, judged.section)


def _spans(text: str, rules: Rules) -> list[Span]:
    """The secrets, personal data and listed words; they may overlap.

    Each is to be counted, masked or dropped.
    """
    found = [Span(f"secret_{span.kind}", span.start, span.end) for span in secrets_in(text)]
    found += [Span(f"personal_data_{span.kind}", span.start, span.end) for span in personal_data(text)]
    if rules.word_lists is not None:
        found += [Span(f"word_list_{span.kind}", span.start, span.end) for span in listed_words(text, rules.word_lists)]
    return found


def _treatment(kind: str, rules: Rules) -> str:
    return rules.config.secrets if kind.startswith("secret_") else rules.treatments[kind]


def _dropping(counts: Mapping[str, int], rules: Rules) -> list[Failure]:
    """The kinds, by name, that are frequent enough to drop the document."""
    found = []
    for kind, count in sorted(counts.items()):
        if _treatment(kind, rules) == "drop":
            name = kind.removeprefix("word_list_")
            least = rules.config.word_lists[name].min_matches if kind != name else 1
            if count >= least:
                found.append(Failure(kind, count, least))
    return found


def _masked(text: str, rules: Rules, is_masked: Callable[[str], bool]) -> str:
    """The text with the kinds that `is_masked` selects masked.

    Of overlapping spans, the first of `_spans` stays.
    """
    chosen = without_overlaps(
        Span(_FAMILY.sub("", span.kind), span.start, span.end) for span in _spans(text, rules) if is_masked(span.kind)
    )
    return masked(text, chosen) if chosen else text


def _group_of(group: str, rules: Rules) -> str:
    """A group that is named after a title, masked, with a digest.

    The digest is needed because titles that differ in an address are two groups. Kinds that drop a document are
    masked, too, however often they are found: a group has one name, also if one of its texts may only evaluate.
    """
    written = _written(group, rules.config)[0]
    shown = _masked(written, rules, lambda kind: _treatment(kind, rules) != "keep")
    return (
        group
        if shown == written
        else f"{shown} ({hashlib.sha256(group.encode('utf-8', 'surrogatepass')).hexdigest()[:8]})"
    )


def _written(text: str, config: CleanShards, in_form: Callable[[str], str] = normalised) -> tuple[str, int]:
    """The text in its normal form, and the number of repaired lines."""
    text, repaired_lines = repaired(text) if config.is_mojibake_repaired else (text, 0)
    text = in_form(text)
    return (with_ascii_width(text) if config.has_ascii_width else text), repaired_lines


def cleaned(document: Document, rules: Rules) -> Cleaned | Failure:
    """The clean document, or the first rule that it fails."""
    config = rules.config
    counts: Counter[str] = Counter()
    text, counts["repaired_lines"] = _written(document.text, config)

    def written_turn(said: str) -> str:
        """The words of a turn, learned as they are but for characters."""
        found = _written(said, config, with_plain_characters)[0]
        counts["rewritten_turns"] += found != said
        return found

    document = with_strings(
        replace(document, text=text),
        lambda part: _written(part, config)[0],
        is_text_done=True,
        change_turn=written_turn,
    )
    role = _role_played(document)
    is_judged = role not in _UNJUDGED
    if is_judged and config.repeated_lines == "drop":
        text, counts["repeated_lines"] = without_repeats(document.text)
        document = replace(document, text=text)
    if not document.text:
        return EMPTY
    if is_judged and (failure := length_failure(document.text, config)) is not None:
        return failure
    language, share = language_of(document.text), han_share(document.text)
    if config.script != "keep" and language in ("zh", UNDETERMINED):
        document = with_strings(document, lambda part: in_script(part, config.script))
    if is_judged:
        failure = language_failure(language, share, config)
        judged = rules.judged_by_source.get(document.source, rules.judged)
        if failure is None and judged.section.quality:
            document = replace(document, text=kept_lines(document.text, language, judged.section))
            failure = length_failure(document.text, config) or _judged_failure(document.text, language, judged)
        failure = failure or plain_failure(document.text, config)
        if failure is not None:
            return failure
    found = Counter(span.kind for span in _spans(document.text, rules))
    counts.update(found)
    treatments, dropping = {config.secrets, *rules.treatments.values()}, list[Failure]()
    if "drop" in treatments:
        # a heading or title is shown and asked about also where it is not in the text
        beside = Counter(span.kind for span in _spans(f"{document.title}\n{document.section}", rules))
        dropping = _dropping(found | beside, rules)
    if dropping and role != "evaluation":
        return dropping[0]
    if dropping or "mask" in treatments:
        kinds = frozenset(failure.reason for failure in dropping)

        def is_masked(kind: str) -> bool:
            return _treatment(kind, rules) == "mask" or kind in kinds

        document = with_strings(document, lambda part: _masked(part, rules, is_masked))
    if treatments != {"keep"}:
        document = replace(document, group=_group_of(document.group, rules))
    return Cleaned(document, language, share, {name: count for name, count in sorted(counts.items()) if count})
