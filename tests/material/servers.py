"""Real servers for tests of the remote: S3 (moto), SFTP (asyncssh), HTTP. Each ends with its block."""

from __future__ import annotations

import asyncio
import functools
import http.server
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

START_SECONDS = 60.0
BUCKET = "cache"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def s3_server(log_file: Path) -> Iterator[dict[str, str]]:
    """An S3 server with one bucket; gives the environment in which its clients work."""
    port = free_port()
    code = f"from moto.server import main; main(['-H', '127.0.0.1', '-p', '{port}'])"
    with log_file.open("wb") as log:
        process = subprocess.Popen([sys.executable, "-c", code], stdout=log, stderr=subprocess.STDOUT)
        try:
            endpoint = f"http://127.0.0.1:{port}"
            _wait_for(endpoint, process)
            urllib.request.urlopen(urllib.request.Request(f"{endpoint}/{BUCKET}", method="PUT"))
            yield {
                "AWS_ENDPOINT_URL": endpoint,
                "AWS_ACCESS_KEY_ID": "testing-identity",
                "AWS_SECRET_ACCESS_KEY": "testing-secret-value",
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_EC2_METADATA_DISABLED": "true",
            }
        finally:
            process.terminate()
            process.wait()


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        assert process.poll() is None, "the server ended"
        try:
            urllib.request.urlopen(url)
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"{url} does not answer")


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        return None


@contextmanager
def serving(handler: Callable[..., http.server.BaseHTTPRequestHandler]) -> Iterator[str]:
    """A server on a free port of this machine, as long as the block runs; gives its address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def http_server(folder: Path) -> Iterator[str]:
    """A server of a folder's files; gives its address."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with serving(handler) as address:
        yield address


# (status, headings, bytes) for a path and the headings of a request; what is longer than Content-Length says is cut
Answer = tuple[int, dict[str, str], bytes]


@contextmanager
def answering_server(answer: Callable[[str, Mapping[str, str]], Answer]) -> Iterator[str]:
    """A server that a function answers for; gives its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headings, data = answer(self.path, dict(self.headers.items()))
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(data))} | headings).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *arguments: object) -> None:
            return None

    with serving(Handler) as address:
        yield address


@contextmanager
def sftp_server(home: Path) -> Iterator[int]:
    """An SSH server whose one client is the user with this home folder, whose keys it writes; gives its port."""
    import asyncssh

    host_key, client_key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    started: list[tuple[asyncio.AbstractEventLoop, asyncio.Event, int]] = []
    is_ready = threading.Event()

    async def serve() -> None:
        server = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[host_key],
            authorized_client_keys=asyncssh.import_authorized_keys(client_key.export_public_key().decode()),
            sftp_factory=True,
        )
        stop = asyncio.Event()
        started.append((asyncio.get_running_loop(), stop, server.get_port()))
        is_ready.set()
        await stop.wait()
        server.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert is_ready.wait(START_SECONDS)
    loop, stop, port = started[0]
    folder = home / ".ssh"
    folder.mkdir(parents=True, mode=0o700)
    (folder / "id_ed25519").write_bytes(client_key.export_private_key())
    (folder / "id_ed25519").chmod(0o600)
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {host_key.export_public_key().decode()}")
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
