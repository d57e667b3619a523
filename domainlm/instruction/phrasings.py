"""The phrasings of questions and answers, by language and form.

Braces name the parts to fill in: name, definition and synonym of a term; place is what a section is called, with its
quotation marks.
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
            "name": (
                'Which term is also called "{synonym}"?',
                'What is the main name of "{synonym}"?',
                'Under which name is "{synonym}" listed?',
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
                "What does {place} say, in brief?",
                "What should I know about {place}?",
                "What is said about {place}?",
                "Give a short account of {place}.",
            ),
            "what_is": (
                "According to {place}, what is {term}?",
                "What is {term}? Answer from {place}.",
                "In {place}, how is {term} explained?",
            ),
            "what_are": (
                "According to {place}, what are {term}?",
                "What are {term}? Answer from {place}.",
                "In {place}, how are {term} explained?",
            ),
            "use": (
                "According to {place}, what {clause}?",
                "What {clause}? Answer from {place}.",
            ),
            "how": (
                "According to {place}, how can one {clause}?",
                "How do I {clause}? Answer from {place}.",
                "In {place}, what is recommended in order to {clause}?",
            ),
            "reason": (
                "According to {place}, why is it that {clause}?",
                "Why is it that {clause}? Answer from {place}.",
                "Which reason does {place} give for this: {clause}?",
            ),
            "condition": (
                "According to {place}, what applies {clause}?",
                "What is the case {clause}? Answer from {place}.",
                "What does {place} say will happen or hold {clause}?",
            ),
            "condition_order": (
                "According to {place}, what should or can be done {clause}?",
                "What does {place} advise {clause}?",
                "What can one do {clause}? Answer from {place}.",
            ),
            "year": (
                "According to {place}, what happened in {year}?",
                "What does {place} report for {year}?",
            ),
            "topic": (
                "What does {place} say about {topic}?",
                "In {place}, what is said about {topic}?",
                "What is stated about {topic} in {place}?",
            ),
            "entry": (
                'What does {place} say about "{topic}"?',
                'In {place}, how is "{topic}" described?',
                'Explain "{topic}" as {place} does.',
            ),
            "list": (
                'Complete this list from {place}: "{intro}"',
                '{place} says: "{intro}" Give the whole list.',
                'Which items follow this sentence in {place}? "{intro}"',
            ),
            "whole_list": (
                "What does the list under {place} contain?",
                "Which items does {place} list?",
                "Give the whole list of {place}.",
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
            "name": (
                "哪个术语又称“{synonym}”？",
                "“{synonym}”的正式名称是什么？",
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
                "请简要说明{place}。",
                "关于{place}，应当知道什么？",
                "文中对{place}是怎么说的？",
            ),
            "what_is": (
                "根据{place}，什么是{term}？",
                "{place}是怎样解释{term}的？",
            ),
            "use": (
                "根据{place}，什么可以用来{clause}？",
                "要{clause}，{place}说可以用什么？",
            ),
            "how": (
                "根据{place}，要{clause}，应当怎么做？",
                "怎样{clause}？请根据{place}回答。",
            ),
            "reason": (
                "根据{place}，为什么说“{clause}”？",
                "“{clause}”，{place}给出的原因是什么？",
            ),
            "condition": (
                "根据{place}，{clause}，情况会怎样？",
                "{clause}，会怎样？请根据{place}回答。",
            ),
            "condition_order": (
                "根据{place}，{clause}，应当或可以怎么做？",
                "{clause}，该怎么办？请根据{place}回答。",
            ),
            "year": (
                "根据{place}，{year}发生了什么？",
                "{place}对{year}是怎么记述的？",
            ),
            "topic": (
                "{place}对“{topic}”是怎么说的？",
                "根据{place}，关于“{topic}”说了什么？",
            ),
            "entry": (
                "{place}对“{topic}”是怎么说的？",
                "请按{place}说明“{topic}”。",
            ),
            "list": (
                "{place}中写道：“{intro}”请给出完整的列表。",
                "在{place}中，这句话之后列出了哪些内容？“{intro}”",
            ),
            "whole_list": (
                "{place}列出了哪些内容？",
                "请给出{place}中的完整列表。",
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
