"""Whether the checkpoints of a project's domains are base or instruct models.

In: the project folder. Out: one `Check` a checkpoint, for the default domain and those whose base model is built. A built
checkpoint was looked at (`domainlm.models.kind`); of another one its name is all that is known. None of them is a fault:
the finding says what it means for continued pretraining.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from domainlm.config.domain import DomainConfig
from domainlm.config.errors import ConfigurationError
from domainlm.config.resolve import DEFAULT_FILE, resolve
from domainlm.config.sources import Source
from domainlm.models.kind import kind_by_name
from domainlm.pipeline.chain import artifacts_of, chain
from domainlm.pipeline.places import artifact_folder
from domainlm.report.facts import CHECKPOINTS
from domainlm.report.model_kind import kind_sentence
from domainlm.store.notes import read_note
from domainlm.upkeep.hooks import Check


def checkpoint_kinds(project: Path) -> list[Check]:
    """A finding a checkpoint; none in a folder without a configuration."""
    if not (project / DEFAULT_FILE).exists():
        return []
    built = sorted(path.parts[-3] for path in (project / "artifacts").glob("*/base_model/source.json"))
    found: dict[str, list[Check]] = {}
    for domain in (None, *built):
        try:
            config = resolve(project, {} if domain is None else {"domain": domain})
        except ConfigurationError as error:
            # a folder of a domain that is no more is no fault; a default that cannot be read stops every build
            if domain is None:
                found[""] = [Check("configuration", False, str(error))]
            continue
        found[config.domain] = list(_findings(project, config))
    return [check for checks in found.values() for check in checks]


def _findings(project: Path, config: DomainConfig) -> Iterator[Check]:
    models = chain(config)
    for artifact in CHECKPOINTS:
        named = next(((name, each) for name, each in config.sources.items() if each.role == artifact), None)
        if named is None or artifact not in artifacts_of(*models):
            continue
        name, source = named
        looked = read_note(project / artifact_folder(config.domain, artifact) / "source.json")
        if isinstance(looked, dict) and looked.get("source") == name and "kind" in looked:
            kind, evidence = str(looked["kind"]), [str(each) for each in looked["evidence"]]
        else:
            kind, evidence = kind_by_name(_names(name, source))
            evidence.append("not built yet, so its files were not looked at")
        sentence = kind_sentence(artifact, name, kind, evidence, [model.name for model in models])
        yield Check(f"{artifact.replace('_', ' ')} of {config.domain}", True, sentence)


def _names(name: str, source: Source) -> list[str]:
    """The names that a source gives its model."""
    if source.hub is not None:
        return [name, source.hub.repository]
    if source.fetch is not None:
        places = (source.fetch.url, source.fetch.member)
        return [name, *(Path(place).stem for place in places if place is not None)]
    return [name, Path(str(source.local)).name]
