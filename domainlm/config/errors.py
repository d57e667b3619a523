"""The error of a wrong configuration, apart from the resolver: a build knows it and reads no configuration."""

from __future__ import annotations

from domainlm.store.secrets import without_secrets
from domainlm.wording import printable


class ConfigurationError(Exception):
    """The configuration is wrong: the message names file, key, value, and the fix. A secret among the values is masked.

    Snakemake prints it too, so names in it are made printable here. Its lines are ours.
    """

    def __init__(self, message: str) -> None:
        super().__init__(without_secrets(message))

    def __str__(self) -> str:
        return "\n".join(map(printable, super().__str__().split("\n")))
