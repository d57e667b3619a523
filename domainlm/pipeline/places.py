"""Paths of artifacts and stamps, relative to the project."""

from __future__ import annotations


def artifact_folder(domain: str, artifact: str, shard: str | None = None) -> str:
    return "/".join(["artifacts", domain, artifact, *([shard] if shard else [])])


def stamp_path(domain: str, artifact: str, shard: str | None = None) -> str:
    return f".domainlm/stamps/{domain}/{artifact}{f'.{shard}' if shard else ''}.json"


# of an input that is another domain's artifact; the domain follows
COMPARED = "compare:"
BUILDS_FILE = ".domainlm/builds.jsonl"
