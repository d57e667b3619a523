"""The whole cleaning of one document, in one order.

In: a document as read, and the rules of a run. Out: the clean document with what was found in it, or the rule that it
fails. The order: repair, normal form, repeated lines, length; language and mix; published quality rules, the project's own;
personal data, secrets, word lists. What a rule measures is the text that would be kept, and what costs most comes
last. Title, section and the strings in `meta` go the way of the text, so that each is still found in it. Rules of quality
are not for instruction and evaluation texts, a short answer is not a bad one; but every text is written alike, or a
question could not be found again in a training text. For the same reason an evaluation text that holds what drops other
documents stays, with that masked.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from domainlm.config.cleaning import CleanShards
from domainlm.text.characters import normalised
from domainlm.text.cleaning.clean import Failure, failure_of, is_filtered, length_failure, role_played, with_strings
from domainlm.text.cleaning.language import UNDETERMINED, han_share, language_of
from domainlm.text.cleaning.normalise import in_script, with_ascii_width, without_repeats
from domainlm.text.cleaning.pii import personal_data
from domainlm.text.cleaning.quality import kept_lines, quality_failure
from domainlm.text.cleaning.repair import repaired
from domainlm.text.cleaning.secrets import secrets_in
from domainlm.text.cleaning.spans import Span, masked, without_overlaps
from domainlm.text.cleaning.word_lists import WordLists, listed_words, word_lists_of
from domainlm.text.document import Document

# what a count's name begins with, and a mask's does not
_FAMILY = re.compile("^(?:personal_data|secret|word_list)_")


@dataclass(frozen=True)
class Cleaned:
    """A kept document: language (ISO 639-1, or "und"), share of Han among its letters, counts of what was found in it.

    counts: repaired_lines, repeated_lines, personal_data_<kind>, secret_<kind>, word_list_<name>, whatever was done about
    them; sums over documents make sense.
    """

    document: Document
    language: str
    han_share: float
    counts: Mapping[str, int]


@dataclass(frozen=True)
class Rules:
    """What a run's configuration comes to; made once per shard."""

    config: CleanShards
    word_lists: WordLists | None
    treatments: Mapping[str, str]


def rules_of(config: CleanShards) -> Rules:
    treatments = {f"personal_data_{kind}": treatment for kind, treatment in config.personal_data.model_dump().items()}
    treatments |= {f"word_list_{name}": entry.treatment for name, entry in config.word_lists.items()}
    return Rules(config, word_lists_of(config.word_lists, lambda word: _forms_of(word, config)), treatments)


def _forms_of(word: str, config: CleanShards) -> tuple[str, str]:
    """A listed word as texts are written, in the script of Chinese texts too."""
    written = _written(word, config)[0]
    return written, in_script(written, config.script)


def language_failure(language: str, share: float, config: CleanShards) -> Failure | None:
    """The limit of language or mix that a text is beyond."""
    if config.languages and language not in config.languages:
        return Failure("languages", language, ",".join(sorted(config.languages)))
    if share < config.min_han_share:
        return Failure("min_han_share", round(share, 4), config.min_han_share)
    if share > config.max_han_share:
        return Failure("max_han_share", round(share, 4), config.max_han_share)
    return None


def _spans(text: str, rules: Rules) -> list[Span]:
    """What is to be counted, masked or dropped: secrets, personal data, listed words; they may overlap."""
    found = [Span(f"secret_{span.kind}", span.start, span.end) for span in secrets_in(text)]
    found += [Span(f"personal_data_{span.kind}", span.start, span.end) for span in personal_data(text)]
    if rules.word_lists is not None:
        found += [Span(f"word_list_{span.kind}", span.start, span.end) for span in listed_words(text, rules.word_lists)]
    return found


def _treatment(kind: str, rules: Rules) -> str:
    return rules.config.secrets if kind.startswith("secret_") else rules.treatments[kind]


def _dropping(counts: Mapping[str, int], rules: Rules) -> list[Failure]:
    """The kinds, by name, that are found often enough to drop the document."""
    found = []
    for kind, count in sorted(counts.items()):
        if _treatment(kind, rules) == "drop":
            name = kind.removeprefix("word_list_")
            least = rules.config.word_lists[name].min_matches if kind != name else 1
            if count >= least:
                found.append(Failure(kind, count, least))
    return found


def _masked(text: str, rules: Rules, dropping: Collection[str]) -> str:
    """Masked where so configured, and what is of the kinds `dropping`; of what overlaps, the first of `_spans` stays."""
    chosen = without_overlaps(
        Span(_FAMILY.sub("", span.kind), span.start, span.end)
        for span in _spans(text, rules)
        if _treatment(span.kind, rules) == "mask" or span.kind in dropping
    )
    return masked(text, chosen) if chosen else text


def _written(text: str, config: CleanShards) -> tuple[str, int]:
    """The text in its normal form, and the number of lines that were repaired."""
    text, repaired_lines = repaired(text) if config.is_mojibake_repaired else (text, 0)
    text = normalised(text)
    return (with_ascii_width(text) if config.has_ascii_width else text), repaired_lines


def cleaned(document: Document, rules: Rules) -> Cleaned | Failure:
    """The clean document, or the first rule that it fails."""
    config = rules.config
    counts: Counter[str] = Counter()
    text, counts["repaired_lines"] = _written(document.text, config)
    document = with_strings(replace(document, text=text), lambda part: _written(part, config)[0], is_text_done=True)
    if is_filtered(document) and config.repeated_lines == "drop":
        text, counts["repeated_lines"] = without_repeats(document.text)
        document = replace(document, text=text)
    if (failure := length_failure(document, config)) is not None:
        return failure
    language, share = language_of(document.text), han_share(document.text)
    if config.script != "keep" and language in ("zh", UNDETERMINED):
        document = with_strings(document, lambda part: in_script(part, config.script))
    if is_filtered(document):
        failure = language_failure(language, share, config)
        if failure is None and config.quality:
            document = replace(document, text=kept_lines(document.text, language, config))
            failure = length_failure(document, config) or quality_failure(document.text, language, config)
        failure = failure or failure_of(document, config)
        if failure is not None:
            return failure
    found = Counter(span.kind for span in _spans(document.text, rules))
    counts.update(found)
    treatments, dropping = {config.secrets, *rules.treatments.values()}, list[Failure]()
    if "drop" in treatments:
        # a heading or title is shown and asked about also where it is not in the text
        beside = Counter(span.kind for span in _spans(f"{document.title}\n{document.section}", rules))
        dropping = _dropping(found | beside, rules)
    if dropping and role_played(document) != "evaluation":
        return dropping[0]
    if dropping or "mask" in treatments:
        kinds = frozenset(failure.reason for failure in dropping)
        document = with_strings(document, lambda part: _masked(part, rules, kinds))
    return Cleaned(document, language, share, {name: count for name, count in sorted(counts.items()) if count})
