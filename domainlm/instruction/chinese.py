"""What a Chinese sentence answers, by its form.

In: one whole sentence of a section. Out: the questions that it answers in its own words, as `english` says it for
English. Clauses are taken over whole; a sentence that points to another one (这, 它, 以下) is not asked about.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set

from domainlm.instruction.asked import Asked
from domainlm.text.characters import cjk_count

_POINTS = re.compile(
    "这|那|它|他|她|其[^他它实中]|其中|此|该|上述|下述|上面|下面|以下|下列|如下|如上|前者|后者|同样|我们|我|本[章节文例]|你可以看到|上[图表例]|下[图表例]"
)
_POINTING_FIRST = re.compile(
    "[“「（(]?(?:这|那|它|他|她|其|此|该|上述|上面|下面|以下|下列|如下|前者|后者|同样|同时|因此|所以|因而|于是|然而|但|不过|而|并|且|或|也|又|还|另|再|接着|然后|最后|首先"
    "|其次|例如|比如|换句话说|也就是说|总之|可见|否则|另外|此外|我们|我|本[章节文]|参见|请参|详见|见|注意|请注意|假设|随后|从而|只是|就|则|由此|反之|相反)"
)
_DANGLING = re.compile(
    "(?:如下|下列|以下|下面|下表|下图|上表|上图|如上)[^。！？]{0,12}[。：:！]?$|(?:如下所示|如图|见下|见上|…+[。]?$|\\.\\.\\.[。]?$)"
)
_REFERENCE = re.compile(
    "[（(]?(?:请?参[见阅考看]|请?查[看阅]|详见|请见|见第|更多(?:的)?(?:信息|内容|细节|详情)|详细(?:的)?(?:信息|内容|说明|描述)|有关.{0,20}(?:参[见阅考]|请看)|关于.{0,20}(?:参[见阅考]|请看)|来源：|版权|译注)"
    "|.*(?:参[见阅]|详见)[^，。]{0,40}[。）)]+$"
)
_CONDITION = re.compile(
    "(如果|若|倘若|假如|当(?!然)|一旦|只要|除非|每当)([^，。；：！？]{4,40})，(?:那么|则|就)?([^。！？]{6,})[。！]$"
)
_REASON_FIRST = re.compile("(?:因为|由于)([^，。；：]{4,40})，(?:所以|因此|因而|故)?([^。；：！？]{6,50})。$")
_REASON = re.compile("([^。；：！？]{6,40})，(?:这是)?因为([^。；]{6,})。$")
_PURPOSE = re.compile(
    "(?:为了|若要|如要|要想|想要|如需|如果想要?|如果要|要)([^，。；：不是]{1}[^，。；：]{2,30})，([^。；！？]{6,})[。！]$"
)
_USED = re.compile("([^，。；：！？]{2,24}?)(?:可以|可|能够|能)?(?:被?用来|用于|被?用作)([^，。；：！？]{3,40})[。！]$")
_IS = re.compile(
    "([^，。；：！？、]{2,20}?)(?:是指|指的是|是(?=一[种个类项套款组门条块张名位座]|由|用于|指|将|.{2,40}的[^，。]{1,12}[，。]))(.{6,})$"
)
_IN_YEAR = re.compile(
    "(?:在)?((?:公元)?(?:[12][0-9]{3}|[一二][〇零一二三四五六七八九]{3})\\s?年(?:\\s?[0-9一二三四五六七八九十]{1,2}\\s?月)?)，?(.{8,})[。！]$"
)
_TOPIC = re.compile(
    "([^，。；：！？、]{2,20}?)(?:是|没有|(?<![没只所拥具还])有|不能|可以|可能|能够|(?<![功性智万效职技只不才可本])能|应当|应该|(?<![响反适相对供])应|必须|需要|(?<![必])需|(?<![社机])会|(?<![即])将|(?<![理自])由|(?<![作成称行认因])为|被|提供|支持|使用|包含|允许|通常|一般|不|具有|属于|位于|采用|表示|指定|导致|引起)(.{6,})$"
)
_ORDER = re.compile(
    "(?:请|你|您|用户|可以|应|需|必须|要|不要|避免|使用|运行|执行|最好|建议|考虑|检查|确保|编辑|安装|选择|点击|打开|输入|添加|删除|创建|尝试)"
)
_NOT_A_TOPIC = re.compile(
    "(?:如果|若|当|因为|由于|为了|在|对于|对|从|通过|使用|运行|执行|要|请|你|您|用户|人们|大家|有|没有|可以|需要|应|每|任何|所有|大多数|许多|很多|一些|有些|一个|一种|两|第|最|目前|现在|通常|一般|只|仅|不|无|根据|按照|随着|自|于|把|将|与|和|即使|虽然|尽管|除|之|以|作为|关于|经过|至|结果|原因|问题|方法|目的|作用|默认|主要)"
)
_BAD_END = re.compile(
    "[的了着过和与或及在于把将被从对给都也还就才很更最不上下中里外内前后时]$|(?:时候|之前|之后|以后|以前|经常|常常|总是|往往|一直|已经|永远|通常|一般|现在|目前|没|只|不|可)$"
)
_ACTION = re.compile(
    "(?:检查|查看|设置|设定|安装|使用|运行|执行|创建|建立|删除|添加|打开|关闭|选择|编辑|修改|输入|配置|阅读|升级|更新|备份|恢复|下载|复制|移动|启动|停止|避免|尝试|保持|确认)(?!工具|程序|命令|器)"
)
# without a subject, and too general alone
_BARE_CLAUSE = re.compile("(?:能够?|可能|可以|需要|有?必要|不能?|没有|想|要)")
_GENERAL = re.compile(
    "(?:程序|系统|文件|用户|命令|软件包?|数据|信息|功能|内容|结果|变量|参数|选项|方法|函数|工具|患者|病人|药物)$"
)
_ELSEWHERE = re.compile("[“「]?[这那它他她其]")
_HEADING = re.compile(
    "(?:这|该|此|本)(?:个|种|些|条)?(?:方法|函数|类|选项|参数|命令|属性|接口|模块|功能|章|节|页|文|手册|教程|指南|软件包?|程序|工具|药品?|病|是|将|会|可以|用于|返回)"
)
_PAIRS = (("（", "）"), ("(", ")"), ("“", "”"), ("「", "」"), ("《", "》"), ("[", "]"))
MAX_TOPIC_CHARS = 20


def is_dangling(sentence: str) -> bool:
    """Whether a sentence points to a list, code or figure beside it."""
    return bool(_DANGLING.search(sentence))


def is_reference(sentence: str) -> bool:
    """Whether a sentence only says where to read on."""
    return bool(_REFERENCE.match(sentence))


def is_pointing(sentence: str) -> bool:
    """Whether a sentence begins by pointing to the one before it."""
    return bool(_POINTING_FIRST.match(sentence))


def is_about_heading(sentence: str) -> bool:
    """Whether 这 or 该 at a section's beginning means its heading."""
    return bool(_HEADING.match(sentence))


def _is_clear(clause: str) -> bool:
    is_balanced = all(clause.count(a) == clause.count(b) for a, b in _PAIRS) and clause.count('"') % 2 == 0
    return is_balanced and not _POINTS.search(clause)


def _is_name(text: str) -> bool:
    """Whether words name a subject.

    They are no beginning of a clause, and not one general word.
    """
    is_general = _NOT_A_TOPIC.match(text) or _GENERAL.fullmatch(text)
    return bool(text) and not is_general and not _ACTION.match(text) and not _BAD_END.search(text) and _is_clear(text)


def _condition(sentence: str) -> Iterator[Asked]:
    found = _CONDITION.match(sentence)
    if found and _is_clear(found[2]) and not _ELSEWHERE.match(found[3]) and not _BARE_CLAUSE.match(found[2]):
        form = "condition_order" if _ORDER.match(found[3]) else "condition"
        yield Asked(form, {"clause": found[1] + found[2]})


def _reason(sentence: str) -> Iterator[Asked]:
    first, last = _REASON_FIRST.match(sentence), _REASON.match(sentence)
    main = (first[2] if first else last[1] if last else "").strip()
    if main and _is_clear(main) and not is_pointing(main) and not _ORDER.match(main):
        yield Asked("reason", {"clause": main})


def _purpose(sentence: str) -> Iterator[Asked]:
    found = _PURPOSE.match(sentence)
    if found and _is_clear(found[1]) and _ORDER.search(found[2]):
        yield Asked("how", {"clause": found[1].strip()})
    used = _USED.match(sentence)
    if used and _is_name(used[1].strip()) and _is_clear(used[2]):
        yield Asked("use", {"clause": used[2].strip()})


def asked_by(sentence: str, names: Set[str]) -> Iterator[Asked]:
    """What a sentence answers, best first.

    names: of the section, in lower case.
    """
    if is_pointing(sentence):
        return
    found = _IS.match(sentence)
    term = found[1].strip() if found else ""
    if _is_name(term):
        yield Asked("what_is", {"term": term})
    yield from _condition(sentence)
    yield from _reason(sentence)
    yield from _purpose(sentence)
    year = _IN_YEAR.match(sentence)
    if year and not is_pointing(year[2]):
        yield Asked("year", {"year": year[1]})
    topic = _TOPIC.match(sentence)
    name = topic[1].strip() if topic else ""
    is_new = len(name) <= MAX_TOPIC_CHARS and name.lower() not in names
    if is_new and _is_name(name) and (cjk_count(name) >= 2 or len(name) >= 3):
        yield Asked("topic", {"topic": name})
