"""One file from an http or https address.

In: the address, which holds no credentials (domainlm/config/resolve.py refuses them). Out: the file, in a folder. A
user and password come from ~/.netrc (or the file that NETRC names), by the entry of the address's own host; a proxy
comes from the environment. A login is sent to that host alone: a redirect may lead to another one, but the login is not
sent there. urllib alone would send the login on with any redirect, and follow one to ftp; `requests` is no dependency.
"""

from __future__ import annotations

import base64
import http.client
import netrc
import os
import shutil
import ssl
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO
from urllib.parse import SplitResult, urlsplit

from domainlm.contract import StageError
from domainlm.raw.raw_file import Declared
from domainlm.store.secrets import without_secrets

# a read that gives no bytes for this time has failed
URL_TIMEOUT_SECONDS = 60.0
URL_ATTEMPTS = 3
NETRC_VARIABLE = "NETRC"
# ValueError: a redirect to an invalid host
_TROUBLE = (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError, ValueError)
DEFAULT_PORTS = {"http": 80, "https": 443}


class RefusedRedirect(Exception):
    """A redirect to an address from which no file is fetched."""


def origin_of(parts: SplitResult) -> tuple[str, str, int]:
    """Scheme, host and port: the origin that may receive a login."""
    return parts.scheme, (parts.hostname or "").lower(), parts.port or DEFAULT_PORTS.get(parts.scheme, 0)


def login_of(host: str) -> tuple[str, str] | None:
    """User and password of a host in ~/.netrc.

    `default` entries are not taken: the address stands in a domain file, whose author could name any host. Raises
    ValueError for a file that cannot be read as netrc.
    """
    named = os.environ.get(NETRC_VARIABLE)
    file = Path(named).expanduser() if named else Path.home() / ".netrc"
    if not file.is_file():
        if named:
            raise ValueError(f"{NETRC_VARIABLE} names {file}, which is no file")
        return None
    try:
        # if it is given no name, the module checks that nobody else may read the file
        entries = netrc.netrc(named and str(file)).hosts
    except netrc.NetrcParseError as error:
        # its message quotes the text that it could not read, which may be a password
        place = f"line {error.lineno}" if error.lineno else "its rights"
        raise ValueError(
            f"{file} cannot be used: look at {place}; expected `machine HOST login USER password WORD`, mode 600"
        ) from None
    except (OSError, UnicodeError) as error:
        raise ValueError(f"{file} cannot be read: {type(error).__name__}") from None
    entry = entries.get(host) if host != "default" else None
    return (entry[0], entry[2] or "") if entry is not None and entry[0] else None


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http and https, never from https to http.

    A login is sent again only if the redirect stays at its origin.
    """

    def __init__(self, origin: tuple[str, str, int], authorization: str | None) -> None:
        self._origin, self._authorization = origin, authorization

    def redirect_request(
        self,
        request: urllib.request.Request,
        file: IO[bytes],
        code: int,
        message: str,
        headers: http.client.HTTPMessage,
        url: str,
    ) -> urllib.request.Request | None:
        try:
            parts = urlsplit(url)
            target = origin_of(parts)
        except ValueError:
            raise RefusedRedirect("to an address that cannot be read") from None
        if parts.scheme not in DEFAULT_PORTS:
            raise RefusedRedirect(f"to a {parts.scheme[:20]!r} address; expected http or https")
        if parts.scheme == "http" and request.type == "https":
            raise RefusedRedirect(f"from https to http, to {parts.hostname}")
        if "@" in parts.netloc:
            raise RefusedRedirect(f"to an address with a user or password, at {parts.hostname}")
        # urllib would read the whole body of a redirect into memory
        file.close()
        found = super().redirect_request(request, file, code, message, headers, url)
        if found is not None and self._authorization is not None and target == self._origin:
            found.add_unredirected_header("Authorization", self._authorization)
        return found


def download_url(row: Declared, folder: Path) -> Path:
    """Download a file; a proxy is taken from the environment.

    Raises StageError with the last error.
    """
    path, address = folder / "download", str(row["url"])
    failed = f"source {row['source']}: cannot download {without_secrets(address)}"
    parts = urlsplit(address)
    try:
        login = login_of((parts.hostname or "").lower())
    except ValueError as error:
        raise StageError(f"{failed}: {error}") from None
    authorization = None if login is None else f"Basic {base64.b64encode(':'.join(login).encode()).decode()}"
    opener = urllib.request.build_opener(_Redirects(origin_of(parts), authorization))
    reason = ""
    for attempt in range(URL_ATTEMPTS):
        request = urllib.request.Request(address)  # noqa: S310 - the configuration allows http and https only
        if authorization is not None:
            # urllib does not send this kind of header again with a redirect
            request.add_unredirected_header("Authorization", authorization)
        try:
            with opener.open(request, timeout=URL_TIMEOUT_SECONDS) as response, path.open("wb") as file:
                shutil.copyfileobj(response, file, 1 << 20)
                expected, came = response.headers.get("Content-Length"), file.tell()
            if expected is None or not expected.isdigit() or came == int(expected):
                return path
            reason = f"{came} of {expected} bytes came"
        except RefusedRedirect as error:
            raise StageError(f"{failed}: the server redirects {error}; name the file's own address") from None
        except urllib.error.HTTPError as error:
            reason = f"the server answered {error.code}"
            if error.code in (401, 403):
                host = parts.hostname
                known = f"the login of {host} in ~/.netrc was sent" if login else f"~/.netrc has no login for {host}"
                reason += f" ({known}; expected a line `machine {host} login USER password WORD`)"
            if error.code < 500:
                break
        except _TROUBLE as error:
            reason = without_secrets(str(getattr(error, "reason", ""))) or type(error).__name__
        if attempt + 1 < URL_ATTEMPTS:
            time.sleep(2.0**attempt)
    raise StageError(f"{failed}: {reason}; check the address and the network")
