"""A small folder of real formats for the tutorial: `python docs/examples/leaflets.py FOLDER`.

Writes a PDF of three pages with running heads, page numbers and words divided at line ends, two web pages with menus, a
Chinese text in GBK, the same text in UTF-8, and an empty file: a folder as it grows over the years. Needs reportlab, which `make` installs.
"""

import sys
from pathlib import Path

from reportlab.lib.pagesizes import A5
from reportlab.pdfgen.canvas import Canvas

PAGES = [
    [
        "Asthma is a long-lasting disease of the air-",
        "ways. In an attack the small muscles around the",
        "bronchi tighten, the lining swells, and breath-",
        "ing out becomes hard. Many attacks have a trigger:",
        "pollen, house dust, cold air, smoke, an infection.",
    ],
    [
        "A peak flow meter shows how wide the airways are.",
        "Measure every morning at the same time, write the",
        "best of three values down, and take the list with",
        "you to your doctor. A value below four fifths of",
        "your own best says that the treatment has to be",
        "looked at, also where you feel well.",
    ],
    [
        "Preventers are taken every day and act slowly. Re-",
        "lievers act within minutes and are for the attack.",
        "Who needs a reliever more than twice a week should",
        "not wait for the next appointment.",
    ],
]
MENU = "<nav><a href='/'>Home</a> <a href='/news'>News</a> <a href='/shop'>Shop</a> <a href='/login'>Log in</a></nav>"
POLLEN = f"""<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Pollen and what helps</title></head><body>{MENU}
<main><h1>Pollen and what helps</h1>
<p>Hay fever begins when hazel and alder flower, often in January, and ends with the last mugwort in September. The nose
runs, the eyes itch, and sleep is poor.</p>
<h2>What helps</h2>
<p>Air rooms early in the morning in town and in the evening in the country. Wash your hair before going to bed, and do not
dry laundry outdoors on days with much pollen.</p>
<table><tr><th>Plant</th><th>Flowers in</th></tr><tr><td>Birch</td><td>April</td></tr><tr><td>Grasses</td><td>June</td></tr></table>
</main><footer>Cookies | Imprint | All rights reserved</footer></body></html>
"""
AIR = """<!DOCTYPE html><html lang="zh"><head><meta charset="utf-8"><title>室内空气</title></head><body>
<ul class="menu"><li><a href="/">首页</a></li><li><a href="/news">新闻</a></li><li><a href="/login">登录</a></li></ul>
<article><h1>室内空气</h1>
<p>每天早晚各开窗十分钟，比整天留一条缝更有效。做饭时打开排气扇，并关上通往卧室的门。</p>
<p>加湿器里的水要每天更换，否则容易滋生细菌。室内湿度保持在百分之四十到六十之间，人会觉得舒服，尘螨也不容易繁殖。</p>
</article><div class="footer"><a href="/about">关于我们</a> <a href="/contact">联系我们</a></div></body></html>
"""
COUGH = "咳嗽\n\n感冒引起的咳嗽一般在两到三周内自己消失。多喝温水，不要吸烟，房间不要太干。咳嗽超过八周，或者痰里有血，应当去看医生。\n"


def write_pdf(path: Path) -> None:
    # the same bytes at every call
    canvas = Canvas(str(path), pagesize=A5, invariant=True)
    for number, lines in enumerate(PAGES, 1):
        canvas.setFont("Helvetica", 9)
        canvas.drawString(40, 560, "Living with asthma")
        canvas.drawString(200, 30, f"Page {number} of {len(PAGES)}")
        canvas.setFont("Helvetica", 11)
        for row, line in enumerate(lines):
            canvas.drawString(40, 520 - 16 * row, line)
        canvas.showPage()
    canvas.save()


def main() -> None:
    folder = Path(sys.argv[1])
    (folder / "web").mkdir(parents=True, exist_ok=True)
    write_pdf(folder / "asthma.pdf")
    (folder / "web/pollen.html").write_text(POLLEN, encoding="utf-8")
    (folder / "web/air.html").write_text(AIR, encoding="utf-8")
    (folder / "cough.txt").write_bytes(COUGH.encode("gb18030"))
    (folder / "cough_copy.txt").write_text(COUGH, encoding="utf-8")
    (folder / "notes.txt").write_bytes(b"")


if __name__ == "__main__":
    main()
