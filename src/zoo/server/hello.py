"""Who is calling? Decide from the first bytes of a connection, before anything is parsed.

Theory of operation. A ZooKeeper client begins with the four-byte length of its ConnectRequest. The
same four bytes may be a four-letter word, the start of an HTTP request, of a TLS handshake, or the
farewell of telnet. Read as a length each of those is far beyond any frame limit, so nothing legal
is ever misread; but "length 1195725856" tells an operator nothing, and "somebody speaks HTTP to
the client port" tells him everything.

Pure functions: bytes in, a verdict, a reply and one log line out. The connection does what they
say.
"""

from __future__ import annotations

from enum import Enum

from zoo.server.four_letter_words import STMK, STMK_SIZE, WORDS

WORD_SIZE = 4
TELNET_CLOSE_BYTES = b"\xff\xf4\xff\xfd"
"""What telnet sends when its user interrupts: IAC IP, IAC DO (timing mark)."""

# The first four bytes of a request line; the last one is HTTP/2's preface.
_HTTP_STARTS = frozenset(
    (
        b"GET ",
        b"HEAD",
        b"POST",
        b"PUT ",
        b"DELE",
        b"OPTI",
        b"PATC",
        b"TRAC",
        b"CONN",
        b"PRI ",
    )
)
_TLS_HANDSHAKE = b"\x16\x03"


class Hello(Enum):
    """The verdict on the first bytes of a connection."""

    NEED_MORE = "need more"
    """Fewer bytes than the decision takes."""
    FRAME = "frame"
    """A length-prefixed frame (not yet checked): a ZooKeeper client, or rubbish the framing will
    refuse."""
    FOUR_LETTER_WORD = "four-letter word"
    """``first[:4]`` is the word, ``first[4:12]`` the argument of stmk. Answer and close."""
    HTTP = "http"
    TLS = "tls"
    TELNET_CLOSE = "telnet close"


def classify(first: bytes) -> Hello:
    """Judge all bytes received so far on a connection that has not yet sent a frame."""
    if len(first) < WORD_SIZE:
        return Hello.NEED_MORE
    word = first[:WORD_SIZE]
    if word in WORDS:
        if word == STMK and len(first) < STMK_SIZE:
            return Hello.NEED_MORE
        return Hello.FOUR_LETTER_WORD
    if word in _HTTP_STARTS:
        return Hello.HTTP
    if word.startswith(_TLS_HANDSHAKE):
        return Hello.TLS
    if word == TELNET_CLOSE_BYTES:
        return Hello.TELNET_CLOSE
    return Hello.FRAME


_HTTP_BODY = b"""\
This is the client port of a ZooKeeper server. It speaks ZooKeeper's binary protocol, not HTTP.

Looking for status or metrics?
  - Four-letter words work on this port:  echo ruok | nc HOST PORT    (also: srvr, stat, mntr)
  - HTTP, where it is switched on, has ports of its own in the server's configuration:
    admin.serverPort (default 8080, path /commands) and metricsProvider.httpPort (default 7000,
    path /metrics)
"""
HTTP_400: bytes = (
    b"HTTP/1.1 400 Bad Request\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b"Content-Length: %d\r\n"
    b"Connection: close\r\n"
    b"\r\n%s" % (len(_HTTP_BODY), _HTTP_BODY)
)

TLS_ALERT: bytes = b"\x15\x03\x01\x00\x02\x02\x28"
"""A TLS record: fatal alert handshake_failure. The caller fails at once instead of waiting for its
time-out."""


def reply_to(hello: Hello) -> bytes:
    """What to send to a caller that is at the wrong door, before closing; empty for every other
    verdict."""
    if hello is Hello.HTTP:
        return HTTP_400
    if hello is Hello.TLS:
        return TLS_ALERT
    return b""


def log_line(hello: Hello, first: bytes, peer: str) -> str:
    """One line for the log about a caller at the wrong door, or "" when there is nothing to say."""
    if hello is Hello.HTTP:
        request = first.split(b"\r\n", 1)[0][:80].decode("ascii", "backslashreplace")
        return (
            f"HTTP request from {peer} on the ZooKeeper client port ({request!r}): answered 400; "
            "status and metrics over HTTP have ports of their own (admin.serverPort, "
            "metricsProvider.httpPort)"
        )
    if hello is Hello.TLS:
        return (
            f"TLS handshake from {peer} on the plaintext client port: refused; the client should "
            "use secureClientPort, or switch TLS off (zookeeper.client.secure=false)"
        )
    return ""
