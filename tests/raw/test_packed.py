from __future__ import annotations

import io
import lzma
import zlib

import pytest
from material.packers import PACKERS

from domainlm.raw import packed
from domainlm.raw.packed import unpacked

# of several buffers of packed and of unpacked bytes
LONG = bytes(zlib.crc32(bytes([at % 251, at // 251])) % 256 for at in range(60_000)) * 5


def unpack(kind: str, data: bytes) -> bytes:
    found = []
    with unpacked(io.BytesIO(data), kind) as stream:
        while part := stream.read(7001):
            found.append(part)
        assert stream.read(7001) == b""
    return b"".join(found)


@pytest.mark.parametrize("kind", PACKERS)
def test_all_streams_are_read(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pack = PACKERS[kind]
    for chunk_bytes in (packed.CHUNK_BYTES, 100):
        monkeypatch.setattr(packed, "CHUNK_BYTES", chunk_bytes)
        assert unpack(kind, pack(LONG)) == LONG
        assert unpack(kind, pack(b"one ") + pack(b"") + pack(LONG)) == b"one " + LONG


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz"])
def test_zero_bytes_between_streams_and_at_the_end_are_padding(kind: str) -> None:
    pack = PACKERS[kind]
    assert unpack(kind, pack(b"one ") + bytes(8) + pack(b"two") + bytes(200)) == b"one two"


@pytest.mark.parametrize("kind", PACKERS)
def test_a_damaged_or_cut_second_stream_is_not_the_end(kind: str) -> None:
    first, second = PACKERS[kind](b"one "), PACKERS[kind](LONG)
    for rest in (b"damaged" + second, second[:2] + b"\0" + second[3:], second[: len(second) // 2], b"more"):
        with pytest.raises((OSError, EOFError, lzma.LZMAError, zlib.error)):
            unpack(kind, first + rest)
