"""How many English characters a character of another script says: `python benchmarks/text/dense_characters.py`.

In: the translated messages of this machine's programs (--locales, gettext's `.mo` files). Out: by language the messages
compared, and the characters of their English originals a character of the translation. Counted are messages of at least 40
English characters, without placeholders and of one line, whose translation has nine tenths of its letters in its own script:
the rest is names and options. The idea: a translation says what its original says.
"""

from __future__ import annotations

import argparse
import gettext
import re
from pathlib import Path

from domainlm.text.characters import letter_count

SCRIPTS = {
    "zh_CN": "[\u3400-\u9fff]",
    "zh_TW": "[\u3400-\u9fff]",
    "ja": "[\u3040-\u30ff\u3400-\u9fff]",
    "ko": "[\uac00-\ud7a3]",
    "th": "[\u0e00-\u0e7f]",
    "ru": "[\u0400-\u04ff]",
}
MIN_CHARS = 40
MIN_OWN_SHARE = 0.9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--locales", type=Path, default=Path("/usr/share/locale"))
    folder = parser.parse_args().locales
    print("| language | messages | English characters a character |")
    print("|---|---|---|")
    for language, script in SCRIPTS.items():
        count = english = translated = 0
        for path in sorted((folder / language / "LC_MESSAGES").glob("*.mo")):
            with path.open("rb") as file:
                catalogue = vars(gettext.GNUTranslations(file))["_catalog"]
            for original, text in catalogue.items():
                if not isinstance(original, str) or len(original) < MIN_CHARS or re.search("[%\n]", original):
                    continue
                letters = letter_count(text)
                if letters and len(re.findall(script, text)) >= MIN_OWN_SHARE * letters:
                    count, english, translated = count + 1, english + len(original), translated + len(text)
        print(f"| {language} | {count} | {english / translated:.2f} |" if count else f"| {language} | 0 | – |")


if __name__ == "__main__":
    main()
