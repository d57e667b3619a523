"""Requests to a web server: unpacked bytes, from the named host alone.

In: a location. Out: options of aiohttp's session. A packed answer could have any size unpacked, and a redirect could
make this machine request addresses that only it can reach (another of its own ports, a cloud's address for
credentials), so neither is followed. aiohttp is imported at the first use.
"""

from __future__ import annotations

from typing import Any

from domainlm.store.remote_location import (
    CONNECT_SECONDS,
    NO_REMOTE,
    READ_SECONDS,
    REMOTE_VARIABLE,
    RemoteError,
    RemoteLocation,
)


def http_client(location: RemoteLocation) -> dict[str, Any]:
    """Keyword arguments of `aiohttp.ClientSession`."""
    import aiohttp
    import yarl

    async def refuse_other_hosts(session: Any, context: Any, parameters: Any) -> None:
        asked = parameters.url
        told = asked.join(yarl.URL(parameters.response.headers.get("Location", "")))
        is_upgrade = (asked.scheme, told.scheme, told.port) == ("http", "https", 443)
        if told.host == asked.host and (is_upgrade or (told.scheme, told.port) == (asked.scheme, asked.port)):
            return
        place = f"{told.scheme}://{told.host or ''}{f':{told.port}' if told.port else ''}"
        raise RemoteError(
            f"remote {location}: it redirects requests to {place!a}, and no host is asked but the one that "
            f"was named; set {REMOTE_VARIABLE} to that address if it is meant, or {REMOTE_VARIABLE}={NO_REMOTE} to work without "
            "a remote"
        )

    tracing = aiohttp.TraceConfig()
    tracing.on_request_redirect.append(refuse_other_hosts)
    client: dict[str, Any] = {
        # proxies, and the logins of ~/.netrc
        "trust_env": True,
        "timeout": aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=READ_SECONDS),
        "headers": {"Accept-Encoding": "identity"},
        "auto_decompress": False,
        "trace_configs": [tracing],
    }
    return client
