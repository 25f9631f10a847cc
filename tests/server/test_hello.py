"""Who calls: verdicts, replies and log lines."""

from __future__ import annotations

import ssl
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.server.four_letter_words import WORDS
from zoo.server.hello import HTTP_400, TLS_ALERT, Hello, classify, log_line, reply_to


@pytest.mark.parametrize(
    ("first", "verdict"),
    [
        (b"", Hello.NEED_MORE),
        (b"ruo", Hello.NEED_MORE),
        (b"ruok", Hello.FOUR_LETTER_WORD),
        (b"ruok\r\n", Hello.FOUR_LETTER_WORD),
        (b"RUOK", Hello.FRAME),
        (b"xyzw", Hello.FRAME),
        (b"stmk", Hello.NEED_MORE),
        (b"stmk" + bytes(7), Hello.NEED_MORE),
        (b"stmk" + bytes(8), Hello.FOUR_LETTER_WORD),
        (b"GET / HTTP/1.1\r\n", Hello.HTTP),
        (b"GET", Hello.NEED_MORE),
        (b"POST /commands", Hello.HTTP),
        (b"DELETE /", Hello.HTTP),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Hello.HTTP),
        (b"\x16\x03\x01\x02\x00\x01", Hello.TLS),
        (b"\x16\x03\x03\x00", Hello.TLS),
        (b"\xff\xf4\xff\xfd\x06", Hello.TELNET_CLOSE),
        (struct.pack(">i", 44) + bytes(44), Hello.FRAME),
        (struct.pack(">i", 45), Hello.FRAME),
        (struct.pack(">i", -1), Hello.FRAME),
    ],
)
def test_verdicts(first: bytes, verdict: Hello) -> None:
    assert classify(first) is verdict


def test_each_word_is_recognised() -> None:
    assert len(WORDS) == 18
    assert {classify(word + bytes(8)) for word in WORDS} == {Hello.FOUR_LETTER_WORD}


@given(st.integers(0, 256 * 1024 * 1024))
def test_no_sane_frame_length_is_taken_for_something_else(length: int) -> None:
    assert classify(struct.pack(">i", length)) is Hello.FRAME


@given(st.binary(max_size=40))
def test_more_bytes_never_change_a_verdict(first: bytes) -> None:
    verdict = classify(first)
    if verdict is not Hello.NEED_MORE:
        assert classify(first + b"more") is verdict


def test_the_http_answer_is_well_formed_and_says_where_to_look() -> None:
    head, _, body = HTTP_400.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 400 Bad Request"
    assert b"Content-Length: %d" % len(body) in lines
    assert b"Connection: close" in lines
    for clue in (b"client port of a ZooKeeper server", b"admin.serverPort", b"/metrics", b"mntr"):
        assert clue in body


def test_a_tls_client_fails_at_once_with_a_readable_alert() -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    first = outgoing.read()
    assert classify(first) is Hello.TLS
    incoming.write(reply_to(Hello.TLS))
    with pytest.raises(ssl.SSLError, match=r"(?i)handshake[ _]failure"):
        tls.do_handshake()


@pytest.mark.parametrize("hello", [Hello.FRAME, Hello.FOUR_LETTER_WORD, Hello.TELNET_CLOSE])
def test_callers_at_the_right_door_get_nothing_from_here(hello: Hello) -> None:
    assert reply_to(hello) == b""
    assert log_line(hello, b"ruok", "10.0.0.1:5") == ""


def test_log_lines_are_one_line_and_name_the_caller() -> None:
    evil = b"GET /\n\x1b[31m" + b"\xff" * 500
    for hello, first in ((Hello.HTTP, evil), (Hello.TLS, b"\x16\x03\x01\x02")):
        line = log_line(hello, first, "10.0.0.1:5")
        assert "10.0.0.1:5" in line
        assert line.isprintable()
        assert len(line) < 700
    assert reply_to(Hello.HTTP) is HTTP_400
    assert reply_to(Hello.TLS) is TLS_ALERT
