"""The phrasings of questions and answers, by language and kind.

Braces name the parts to fill in.
"""

from __future__ import annotations

from types import MappingProxyType

QUESTIONS = MappingProxyType(
    {
        "en": {
            "definition": (
                'What does the term "{name}" mean?',
                "Define: {name}.",
                "What is meant by {name}?",
                'How is "{name}" defined?',
                "Give the definition of {name}.",
                "Please explain the term {name}.",
            ),
            "parent": (
                "What is {name} a kind of?",
                'Which broader term does "{name}" belong to?',
                "Under which more general term is {name} classified?",
                'What is the parent class of "{name}"?',
            ),
            "synonym": (
                "What is another name for {name}?",
                'Which synonyms does "{name}" have?',
                "What else is {name} called?",
                "How can {name} also be referred to?",
            ),
            "term": (
                "Which term is defined as follows? {definition}",
                "Name the term with this definition: {definition}",
                "What is this called? {definition}",
                "Which term is meant here? {definition}",
            ),
            "description": (
                "Describe {name} and say what it is a kind of.",
                "What is {name}, and which broader term does it belong to?",
                'Define "{name}" and name its parent class.',
            ),
            "section": (
                "Explain {name} in brief.",
                "What should I know about {name}?",
                'What is said about "{name}"?',
                "Give a short account of {name}.",
            ),
            "section_below": (
                'In the context of "{above}": explain {name} in brief.',
                'What should I know about "{name}" ({above})?',
                'What is said about "{name}" under "{above}"?',
                'Regarding {above}, give a short account of "{name}".',
            ),
        },
        "zh": {
            "definition": (
                "“{name}”是什么意思？",
                "请解释术语“{name}”。",
                "“{name}”的定义是什么？",
                "什么是“{name}”？",
            ),
            "parent": (
                "“{name}”属于哪一类？",
                "“{name}”的上位概念是什么？",
                "“{name}”归在哪个更一般的术语之下？",
            ),
            "synonym": (
                "“{name}”还有什么别的名称？",
                "“{name}”的同义词有哪些？",
                "“{name}”又叫什么？",
            ),
            "term": (
                "下面的定义指的是哪个术语？{definition}",
                "请说出符合这一定义的术语：{definition}",
                "以下描述的是什么？{definition}",
            ),
            "description": (
                "请说明“{name}”的含义及其所属类别。",
                "“{name}”是什么，属于哪一类？",
            ),
            "section": (
                "请简要说明“{name}”。",
                "关于“{name}”，应当知道什么？",
                "文中对“{name}”是怎么说的？",
            ),
            "section_below": (
                "在“{above}”部分，请简要说明“{name}”。",
                "关于“{above}”中的“{name}”，应当知道什么？",
                "“{above}”一节对“{name}”是怎么说的？",
            ),
        },
    }
)

ANSWERS = MappingProxyType(
    {
        "en": {
            "parent": "{name} is a kind of {parents}.",
            "synonym": "{name} is also called {synonyms}.",
            "term": "{name}.",
            "description": "{definition} It is a kind of {parents}.",
        },
        "zh": {
            "parent": "“{name}”属于{parents}。",
            "synonym": "“{name}”又称{synonyms}。",
            "term": "{name}。",
            "description": "{definition}它属于{parents}。",
        },
    }
)

# the separator between the items of a list, and before its last one
JOINERS = MappingProxyType({"en": (", ", " and "), "zh": ("、", "和")})
