"""Changes to inputs, seeded: the same seed and number give the same input on every machine."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

NASTY = (
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"]]>", b"<![CDATA[", b"&lol;", b"&#0;",
    b"&#x110000;", b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"<a>" * 400, b"[" * 3000, b'{"a":' * 1500, b"NaN", b"Infinity", b"1e400",
    b"-1", b"9" * 5000, b"9223372036854775808", b"null", b"true", b'""', b"[]", b"{}", b"\\ud800", b"\\u0000", b"9999-12-31",
    b"0000-00-00", b"Thu, 99 Foo 99999 25:61:61 +9999", b"-999999999999", b"\\.", b"\\N", b'"', b'"""', b"\r\n", b"\r", b",",
    b"|" * 50, b"\xe2\x80\xae", b"\xcc\x81" * 600, b"\xf0\x9f\x91\xa9\xe2\x80\x8d" * 40, b"javascript:alert(1)", b"http://[::1",
    b"http://a@b:99999/", b"%", b"%s%n", b"<!channel>", b"<https://evil|bank>", b"=cmd|' /C calc'!A0", b"\x1b[2J",
)  # fmt: skip
LONGEST = 60_000


def mutated(seed: random.Random, corpus: Sequence[bytes]) -> bytes:
    """One input: a sample of ``corpus`` with a few changes, at most :data:`LONGEST` bytes."""
    data = bytearray(seed.choice(corpus))
    for _ in range(1 + min(7, int(seed.expovariate(0.6)))):
        seed.choice(CHANGES)(seed, data, corpus)
    return bytes(data[:LONGEST])


def _spot(seed: random.Random, data: bytearray) -> int:
    return seed.randint(0, len(data))


def _flip(seed: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    if data:
        data[seed.randrange(len(data))] ^= 1 << seed.randrange(8)


def _replace(seed: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    if data:
        data[seed.randrange(len(data))] = seed.randrange(256)


def _insert(seed: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    at = _spot(seed, data)
    data[at:at] = seed.choice(NASTY)


def _over(seed: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    at = _spot(seed, data)
    piece = seed.choice(NASTY)
    data[at : at + len(piece)] = piece


def _cut(seed: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    start = _spot(seed, data)
    del data[start : start + seed.randint(1, 1 + len(data) // 4)]


def _end(seed: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    del data[_spot(seed, data) :]


def _repeat(seed: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    start = _spot(seed, data)
    data[start:start] = data[start : start + seed.randint(1, 400)] * seed.randint(1, 20)


def _splice(seed: random.Random, data: bytearray, corpus: Sequence[bytes]) -> None:
    other = seed.choice(corpus)
    start = seed.randint(0, len(other))
    at = _spot(seed, data)
    data[at:at] = other[start : start + seed.randint(1, 2000)]


CHANGES: tuple[Callable[[random.Random, bytearray, Sequence[bytes]], None], ...] = (
    _flip, _flip, _replace, _replace, _insert, _insert, _over, _over, _cut, _end, _repeat, _splice,
)  # fmt: skip
