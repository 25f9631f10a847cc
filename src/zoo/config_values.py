"""Kinds of values a zoo.cfg key takes: a parser, and in words what it allows.

A Kind turns the text of a value into the typed value that Config holds and raises ValueError
otherwise; the message that the user sees is made of ``allowed``, so that it says what would have
been right rather than what went wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

INT_MAX = 2**31 - 1
LONG_MAX = 2**63 - 1
FOUR_LETTER_WORDS = (
    *("conf", "cons", "crst", "dirs", "dump", "envi", "gtmk", "hash", "isro"),
    *("mntr", "ruok", "srst", "srvr", "stat", "stmk", "wchc", "wchp", "wchs"),
)
_INTEGER = re.compile(r"[+-]?(0[xX][0-9a-fA-F]+|[0-9]+)")
_DURATION = re.compile(r"(0|[1-9][0-9]*)\s*(ms|s|m|h|d)?")
_UNIT_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


@dataclass(frozen=True, slots=True)
class Kind:
    """``parse`` raises ValueError for a text that is not what ``allowed`` describes."""

    allowed: str
    parse: Callable[[str], object]


def parse_int(text: str) -> int:
    """Decimal or 0x-hexadecimal with optional sign, as Java's Integer.decode, without octal."""
    if not _INTEGER.fullmatch(text):
        raise ValueError(text)
    return int(text, 16 if "x" in text.lower() else 10)


def integer(low: int, high: int = INT_MAX, scale: int = 1, note: str = "") -> Kind:
    """An integer in ``low..high``; Config holds it multiplied by ``scale``."""

    def parse(text: str) -> int:
        number = parse_int(text)
        if not low <= number <= high:
            raise ValueError(text)
        return number * scale

    span = f"an integer from {low} to {high}"
    if low == high:
        span = str(low)
    elif high >= INT_MAX:
        at_least = f" of {low} or more" if low > -INT_MAX else ""
        span = f"an integer{at_least}, at most {high}"
    return Kind(span + (f" ({note})" if note else ""), parse)


def fraction(low: float, high: float) -> Kind:
    """A decimal number in ``low..high``."""

    def parse(text: str) -> float:
        if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)", text):
            raise ValueError(text)
        if not low <= float(text) <= high:
            raise ValueError(text)
        return float(text)

    return Kind(f"a decimal number from {low:g} to {high:g}", parse)


def choice(values: Mapping[str, object], allowed: str) -> Kind:
    """One of the lower-case keys of ``values``, in any case."""

    def parse(text: str) -> object:
        if text.lower() not in values:
            raise ValueError(text)
        return values[text.lower()]

    return Kind(allowed, parse)


def _parse_text(text: str) -> str:
    if not text:
        raise ValueError(text)
    return text


def _parse_duration_hours(text: str) -> int:
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(text)
    milliseconds = int(match[1]) * _UNIT_MS[match[2] or "h"]
    if milliseconds > LONG_MAX // 1_000_000:
        raise ValueError(text)
    return milliseconds


def _parse_digest(text: str) -> str:
    name, colon, digest = text.partition(":")
    if not (name and colon and digest) or any(c.isspace() for c in text):
        raise ValueError(text)
    return text


def _parse_words(text: str) -> tuple[str, ...]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    if "*" in words:
        return FOUR_LETTER_WORDS
    if not all(word in FOUR_LETTER_WORDS for word in words):
        raise ValueError(text)
    return tuple(word for word in FOUR_LETTER_WORDS if word in words)


BOOLEAN = choice({"true": True, "false": False}, "true or false")
YES_NO = choice({"yes": True, "no": False}, "yes or no")
TEXT = Kind("a text that is not empty", _parse_text)
ANY = Kind("any text", str)
COUNT = integer(0)
POSITIVE = integer(1)
COUNT_LONG = integer(0, LONG_MAX)
COUNT_OR_OFF = integer(-1, note="-1: off")
PORT = integer(0, 65535, note="0: any free port")
KIB = integer(-INT_MAX, LONG_MAX // 1024, 1024, "KiB; 0 or less: no limit")
HOURS = Kind(
    "a whole number of hours, or a number with one of the suffixes ms, s, m, h, d (0: off)",
    _parse_duration_hours,
)
DIGEST = Kind("name:base64(digest) without blanks", _parse_digest)
WORDS = Kind(
    f"* or a comma separated list of {', '.join(FOUR_LETTER_WORDS)}",
    _parse_words,
)
COMPRESSION = choice(
    {"": "", "gz": "gz", "snappy": "snappy"},
    "gz, snappy, or nothing for plain files",
)
ROLE = choice({"participant": "participant", "observer": "observer"}, "participant or observer")
DIGEST_ALGORITHM = choice(
    {
        "md5": "md5",
        "sha": "sha1",
        "sha1": "sha1",
        "sha-1": "sha1",
        **{f"sha-{bits}": f"sha{bits}" for bits in (224, 256, 384, 512)},
        **{f"sha3-{bits}": f"sha3_{bits}" for bits in (224, 256, 384, 512)},
    },
    "MD5, SHA1, SHA-224, SHA-256, SHA-384, SHA-512, SHA3-224, SHA3-256, SHA3-384 or SHA3-512",
)
