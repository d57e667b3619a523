"""Downloads one file of a distribution with pip's finder and session.

In: a JSON text as the only argument: package, version, kind, sha256 (or null), folder. Out: the file in the folder, and
`result.json` beside it with its name and digest; or exit 1, with pip's reason on the standard error. Nothing else is
done with the file.

domainlm/sources/fetch_package.py runs this file as a separate program, so it imports nothing of the package. It uses
pip's modules and not the command line, because `pip download` asks a source distribution's build backend for metadata,
and the distribution decides which backend that is (`backend-path`), so its own code would run. pip's finder reads names
of files only. Its session knows the user's settings for every other `pip install`: indexes, links, proxies,
certificates, ~/.netrc, keyrings, PIP_* and pip.conf.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

ATTEMPTS = 3
CHUNK_BYTES = 1 << 20
SCHEMES = ("http", "https", "file")


def is_usable(link: Any) -> bool:
    """Whether a link is a file that may be downloaded.

    A repository may not, nor a file of this machine that a page elsewhere names.
    """
    scheme = str(link.scheme).lower()
    page = getattr(link.comes_from, "url", link.comes_from)
    return scheme in SCHEMES and not (scheme == "file" and page and not str(page).lower().startswith("file:"))


def declared_digest(link: Any) -> str | None:
    """The digest that the index gives for a file."""
    return str(link.hash).lower() if link.hash_name == "sha256" and link.hash else None


def in_order(candidates: list[Any], evaluator: Any, sha256: str | None) -> list[Any]:
    """Candidates, the likeliest first.

    The candidate with the declared digest comes first, then the others in pip's order. A candidate that is known to
    have another digest is dropped.
    """
    if sha256 is not None:
        named = [found for found in candidates if declared_digest(found.link) == sha256]
        unnamed = [found for found in candidates if declared_digest(found.link) is None]
        # where all have other digests, the best candidate gives the digest that the message names
        candidates = named or unnamed or candidates
    ordered, rest = [], list(candidates)
    while rest:
        best = evaluator.sort_best_candidate(rest)
        ordered.append(best)
        rest = [found for found in rest if found is not best]
    return ordered


def write_file(link: Any, session: Any, target: Path) -> str:
    """Write a link's file; return its digest.

    Raises the session's errors, and ValueError for a file that is cut short.
    """
    from pip._internal.network.utils import HEADERS, raise_for_status, response_chunks

    if link.is_file:
        shutil.copyfile(link.file_path, target)
    else:
        response = session.get(link.url.split("#", 1)[0], headers=HEADERS, stream=True)
        raise_for_status(response)
        with target.open("wb") as file:
            for chunk in response_chunks(response, CHUNK_BYTES):
                file.write(chunk)
            came, expected = file.tell(), response.headers.get("content-length")
        if expected is not None and expected.isdigit() and came != int(expected):
            raise ValueError(f"{came} of {expected} bytes came")
    with target.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def make_command() -> Any:
    from pip._internal.cli.cmdoptions import make_target_python
    from pip._internal.commands.download import DownloadCommand
    from pip._internal.exceptions import DistributionNotFound, InstallationError, NetworkConnectionError
    from pip._internal.models.format_control import FormatControl
    from pip._vendor.packaging.utils import canonicalize_name
    from pip._vendor.packaging.version import Version

    class OneFile(DownloadCommand):
        """`pip download` with its options and settings, without inspection of the file."""

        def run(self, options: Any, arguments: list[str]) -> int:
            wanted = json.loads(arguments[0])
            what = f"{wanted['package']}=={wanted['version']} ({wanted['kind']})"
            # settings that choose between wheels and source distributions would hide the declared kind
            options.format_control = FormatControl()
            session = self.get_default_session(options)
            # nothing is installed, so the Python version that it requires does not matter
            finder = self._build_package_finder(options, session, make_target_python(options), True)
            name = canonicalize_name(wanted["package"])
            of_kind = [
                found
                for found in finder.find_all_candidates(name)
                if found.link.is_wheel == (wanted["kind"] == "wheel") and is_usable(found.link)
            ]
            candidates = [found for found in of_kind if found.version == Version(wanted["version"])]
            if not candidates:
                known = ", ".join(sorted({str(found.version) for found in of_kind})[:10]) or "none"
                raise DistributionNotFound(f"No matching distribution found for {what}; versions of this kind: {known}")
            ordered = in_order(candidates, finder.make_candidate_evaluator(project_name=name), wanted["sha256"])
            for found in ordered:
                target = Path(wanted["folder"]) / re.sub(r"[^A-Za-z0-9._+!-]", "_", found.link.filename)
                digest = self.downloaded(found.link, session, target)
                result = {"file": target.name, "sha256": digest}
                if digest == wanted["sha256"] or found is ordered[-1]:
                    break
                target.unlink()
            (Path(wanted["folder"]) / "result.json").write_text(json.dumps(result), encoding="utf-8")
            return 0

        def downloaded(self, link: Any, session: Any, target: Path) -> str:
            for _ in range(ATTEMPTS):
                try:
                    digest = write_file(link, session, target)
                    expected = declared_digest(link)
                    if expected in (None, digest):
                        return digest
                    reason = f"its sha256 is {digest}, but the index says {expected}"
                except NetworkConnectionError:
                    # this is the server's answer, which a second request does not change
                    raise
                except Exception as error:
                    reason = f"{type(error).__name__}: {error}"
                    if isinstance(error, OSError) and error.filename is not None:
                        break
            raise InstallationError(f"{link.filename} did not come whole: {reason}")

    return OneFile("download", "Download one file.")


def main(wanted: str) -> int:
    try:
        command = make_command()
    except ImportError as error:
        print(f"ERROR: this pip has no finder that is known here ({error}); install another: pip install pip==26.3")
        return 1
    return int(command.main(["--quiet", "--no-input", "--no-color", "--disable-pip-version-check", wanted]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
