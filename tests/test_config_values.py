from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo import config_values as values
from zoo.config_values import Kind

HOUR = 3_600_000

ACCEPTED: list[tuple[Kind, str, object]] = [
    (values.BOOLEAN, "true", True),
    (values.BOOLEAN, "FALSE", False),
    (values.YES_NO, "Yes", True),
    (values.COUNT, "0", 0),
    (values.COUNT, "+5", 5),
    (values.COUNT, "0xfffff", 0xFFFFF),
    (values.COUNT, "007", 7),
    (values.COUNT, "2147483647", 2**31 - 1),
    (values.COUNT_OR_OFF, "-1", -1),
    (values.PORT, "65535", 65535),
    (values.KIB, "2", 2048),
    (values.HOURS, "24", 24 * HOUR),
    (values.HOURS, "0", 0),
    (values.HOURS, "90s", 90_000),
    (values.HOURS, "15 m", 900_000),
    (values.HOURS, "250ms", 250),
    (values.HOURS, "1d", 24 * HOUR),
    (values.DIGEST, "super:D/InIHSb7yEEbrWz8b9l71RjZJU=", "super:D/InIHSb7yEEbrWz8b9l71RjZJU="),
    (values.WORDS, "srvr, ruok,,", ("ruok", "srvr")),
    (values.WORDS, "*", values.FOUR_LETTER_WORDS),
    (values.WORDS, "stat,*", values.FOUR_LETTER_WORDS),
    (values.WORDS, "", ()),
    (values.COMPRESSION, "", ""),
    (values.COMPRESSION, "GZ", "gz"),
    (values.DIGEST_ALGORITHM, "SHA-256", "sha256"),
    (values.ROLE, "Observer", "observer"),
    (values.fraction(-1, 1), "0.33", 0.33),
    (values.fraction(-1, 1), "-1", -1.0),
]

REFUSED: list[tuple[Kind, str]] = [
    *((values.BOOLEAN, text) for text in ("", "yes", "1", "tru")),
    *((values.YES_NO, text) for text in ("true", "")),
    *(
        (values.COUNT, text)
        for text in ("", "-1", "1.5", "1e3", "1_000", "2147483648", "x", "٣", "0x")
    ),
    *((values.PORT, text) for text in ("65536", "-1", "http")),
    *((values.HOURS, text) for text in ("", "-1", "1w", "h", "1.5h", "9" * 30)),
    *((values.DIGEST, text) for text in ("super", "super:", ":abc", "su per:abc")),
    *((values.WORDS, text) for text in ("ruok,quit", "RUOK")),
    (values.COMPRESSION, "zip"),
    (values.DIGEST_ALGORITHM, "crc32"),
    (values.TEXT, ""),
    *((values.fraction(-1, 1), text) for text in ("nan", "inf", "2", "", ".")),
]


@pytest.mark.parametrize(("kind", "text", "value"), ACCEPTED)
def test_accepts(kind: Kind, text: str, value: object) -> None:
    assert kind.parse(text) == value


@pytest.mark.parametrize(("kind", "text"), REFUSED)
def test_refuses(kind: Kind, text: str) -> None:
    with pytest.raises(ValueError):
        kind.parse(text)


@given(st.integers(), st.integers(-100, 100), st.integers(0, 1000))
def test_an_integer_is_accepted_exactly_in_its_range(number: int, low: int, span: int) -> None:
    kind = values.integer(low, low + span)
    if low <= number <= low + span:
        assert kind.parse(str(number)) == number
    else:
        with pytest.raises(ValueError):
            kind.parse(str(number))


def test_a_range_says_its_ends() -> None:
    assert values.integer(1, 9).allowed == "an integer from 1 to 9"
    assert values.POSITIVE.allowed == "an integer of 1 or more, at most 2147483647"


def test_there_are_eighteen_four_letter_words() -> None:
    assert len(set(values.FOUR_LETTER_WORDS)) == len(values.FOUR_LETTER_WORDS) == 18
