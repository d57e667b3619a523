"""Secrets among the values of sources, refused and never quoted.

In: the merged values of a configuration. Out: errors, with the right way to give a secret, in lines that hold none. The
values are searched before the models check them, as the models quote values that they do not understand; and under
every key, as a user who mistakes a key writes the address to another one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from domainlm.store.secrets import secrets_in

# the way to give a secret, by the key that holds an address
_INSTEAD = {
    "url": "give a user and password by a line `machine HOST login USER password WORD` in ~/.netrc, and the address without them; "
    "if only a signed address works, download the file yourself and name it by local",
    "repository": "name the repository by owner/name, and give the token by HF_TOKEN in the environment",
    "revision": "give the token by HF_TOKEN in the environment",
}


def secrets_of_sources(values: Mapping[str, Any], origin: Callable[[tuple[str, ...]], str]) -> str | None:
    """The secrets that sources hold, a line each.

    origin: location -> name of the layer that sets it.
    """
    lines = [
        f"{origin(location)}: {'.'.join(location)}: holds {what}, which would be written to keys, records and reports; "
        f"{_INSTEAD.get(location[-1], 'remove it')}"
        for location, what in secrets_in(values.get("sources"), ("sources",))
    ]
    return "\n".join(sorted(lines)) or None


def quotable(value: Any) -> Any:
    """A value of a source as an error may quote it.

    The text before an @ may be a password even in a value that is no address.
    """
    if isinstance(value, str):
        return re.sub(r"(?s).*@", "***@", value)
    return sorted(map(str, value)) if isinstance(value, Mapping) else value
