"""Numbers as lists write them: letters, Roman and Chinese numerals.

In: a number and the name of a format (ISO/IEC 29500-1, 17.18.59, as in Word's lists). Out: its text. A format that is not
known, and a number that a format cannot write, are written in digits: which number it is counts more than its letters.
"""

from __future__ import annotations

_ROMAN = (
    *((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl")),
    *((10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i")),
)
MAX_ROMAN = 4000
_CHINESE = "零一二三四五六七八九", "十百千", "万"
_TRADITIONAL = "零一二三四五六七八九", "十百千", "萬"
_LEGAL_SIMPLIFIED = "零壹贰叁肆伍陆柒捌玖", "拾佰仟", "万"
_LEGAL_TRADITIONAL = "零壹貳參肆伍陸柒捌玖", "拾佰仟", "萬"
_KOREAN = "영일이삼사오육칠팔구", "십백천", "만"
_COUNTED = {
    **dict.fromkeys(("chineseCounting", "chineseCountingThousand", "japaneseCounting"), _CHINESE),
    **dict.fromkeys(("taiwaneseCounting", "taiwaneseCountingThousand"), _TRADITIONAL),
    "chineseLegalSimplified": _LEGAL_SIMPLIFIED,
    **dict.fromkeys(("ideographLegalTraditional", "japaneseLegal"), _LEGAL_TRADITIONAL),
    **dict.fromkeys(("koreanCounting", "koreanDigital2"), _KOREAN),
}
# digit by digit
_DIGITS = {
    **dict.fromkeys(("ideographDigital", "japaneseDigitalTenThousand", "taiwaneseDigital"), "〇一二三四五六七八九"),
    "koreanDigital": "영일이삼사오육칠팔구",
    **dict.fromkeys(("decimalFullWidth", "decimalFullWidth2"), "０１２３４５６７８９"),
    "hindiNumbers": "०१२३४५६७८९",
    "thaiNumbers": "๐๑๒๓๔๕๖๗๘๙",
    "arabicIndic": "٠١٢٣٤٥٦٧٨٩",
}
# one character a number, from 1 on
_SINGLE = {
    **dict.fromkeys(
        ("decimalEnclosedCircle", "decimalEnclosedCircleChinese", "ideographEnclosedCircle"), "①②③④⑤⑥⑦⑧⑨⑩⑪⑫⑬⑭⑮⑯⑰⑱⑲⑳"
    ),
    "decimalEnclosedParen": "⑴⑵⑶⑷⑸⑹⑺⑻⑼⑽⑾⑿⒀⒁⒂⒃⒄⒅⒆⒇",
    "decimalEnclosedFullstop": "⒈⒉⒊⒋⒌⒍⒎⒏⒐⒑⒒⒓⒔⒕⒖⒗⒘⒙⒚⒛",
    "ideographTraditional": "甲乙丙丁戊己庚辛壬癸",
    "ideographZodiac": "子丑寅卯辰巳午未申酉戌亥",
    "ganada": "가나다라마바사아자차카타파하",
    "chosung": "ㄱㄴㄷㄹㅁㅂㅅㅇㅈㅊㅋㅌㅍㅎ",
    "aiueo": "ｱｲｳｴｵｶｷｸｹｺｻｼｽｾｿﾀﾁﾂﾃﾄﾅﾆﾇﾈﾉﾊﾋﾌﾍﾎﾏﾐﾑﾒﾓﾔﾕﾖﾗﾘﾙﾚﾛﾜｦﾝ",
    "aiueoFullWidth": "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワヲン",
    "irohaFullWidth": "イロハニホヘトチリヌルヲワカヨタレソツネナラムウヰノオクヤマケフコエテアサキユメミシヱヒモセスン",
    "russianLower": "абвгдежзиклмнопрстуфхцчшщыэюя",
    "russianUpper": "АБВГДЕЖЗИКЛМНОПРСТУФХЦЧШЩЫЭЮЯ",
    "hebrew2": "אבגדהוזחטיכלמנסעפצקרשת",
    "hebrew1": "אבגדהוזחט",
    "arabicAlpha": "أبتثجحخدذرزسشصضطظعغفقكلمنهوي",
    "arabicAbjad": "أبجدهوزحطيكلمنسعفصقرشتثخذضظغ",
    "thaiLetters": "กขคงจฉชซฌญฎฏฐฑฒณดตถทธนบปผฝพฟภมยรลวศษสหฬอฮ",
}
_ENDINGS = {1: "st", 2: "nd", 3: "rd"}


def roman(number: int) -> str:
    """A number from 1 to 3,999 in small Roman numerals."""
    found = []
    for value, letters in _ROMAN:
        count, number = divmod(number, value)
        found.append(letters * count)
    return "".join(found)


def counted(number: int, digits: str, units: str, myriad: str) -> str:
    """A number below 100 million with units, as in Chinese."""
    if number >= 10_000:
        high, low = divmod(number, 10_000)
        between = digits[0] if 0 < low < 1000 else ""
        return (
            counted(high, digits, units, myriad)
            + myriad
            + between
            + (counted(low, digits, units, myriad) if low else "")
        )
    found = ""
    for power in (3, 2, 1, 0):
        digit = number // 10**power % 10
        if digit:
            found += digits[digit] + (units[power - 1] if power else "")
        elif found and number % 10**power and not found.endswith(digits[0]):
            found += digits[0]
    # 十二, not 一十二
    is_short = 10 <= number < 20 and digits[1] != "壹"
    return (found[1:] if is_short else found) or digits[0]


def in_format(number: int, name: str) -> str:
    """A number in a format of Word's lists."""
    if name == "decimalZero":
        return f"{number:02d}"
    if name in ("lowerLetter", "upperLetter") and 1 <= number <= 780:
        # z, then aa, bb
        letters = chr(ord("a") + (number - 1) % 26) * ((number - 1) // 26 + 1)
        return letters if name == "lowerLetter" else letters.upper()
    if name in ("lowerRoman", "upperRoman") and 1 <= number < MAX_ROMAN:
        return roman(number) if name == "lowerRoman" else roman(number).upper()
    if name in _COUNTED and 0 <= number < 100_000_000:
        return counted(number, *_COUNTED[name])
    if name in _DIGITS and number >= 0:
        return "".join(_DIGITS[name][int(digit)] for digit in str(number))
    if name in _SINGLE and 1 <= number <= len(_SINGLE[name]):
        return _SINGLE[name][number - 1]
    if name == "ordinal":
        return f"{number}{'th' if 10 < number % 100 < 14 else _ENDINGS.get(number % 10, 'th')}"
    if name == "numberInDash":
        return f"- {number} -"
    return str(number)
