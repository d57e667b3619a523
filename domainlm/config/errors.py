"""The error of a wrong configuration.

It is separate from the resolver, because a build uses it and reads no configuration.
"""

from __future__ import annotations

from domainlm.store.secrets import without_secrets
from domainlm.wording import printable


class ConfigurationError(Exception):
    """A wrong configuration: file, key, value, and the fix.

    A secret among the values is masked. Snakemake prints the message too, so names in it are made printable here; the
    line breaks are the message's own.
    """

    def __init__(self, message: str) -> None:
        super().__init__(without_secrets(message))

    def __str__(self) -> str:
        return "\n".join(map(printable, super().__str__().split("\n")))
