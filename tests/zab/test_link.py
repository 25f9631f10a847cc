from __future__ import annotations

import logging

import pytest

from zoo.errors import ProtocolViolation
from zoo.zab.link import PeerLink


class Pairs:
    """A protocol of two-byte messages; `!!` breaks it."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []
        self.broken = 0

    def link_received(self, data: bytes) -> bytes:
        while len(data) >= 2:
            if data[:2] == b"!!":
                raise ProtocolViolation("two bangs")
            self.seen.append(data[:2])
            data = data[2:]
        return data

    def link_broken(self) -> None:
        self.broken += 1


@pytest.fixture
def dirty() -> list[PeerLink]:
    return []


@pytest.fixture
def link(dirty: list[PeerLink]) -> PeerLink:
    link = PeerLink("server.2", dirty)
    link.owner = Pairs()
    return link


def owner(link: PeerLink) -> Pairs:
    assert isinstance(link.owner, Pairs)
    return link.owner


def test_messages_cut_anywhere_arrive_whole(link: PeerLink) -> None:
    for byte in b"aabbc":
        link.received(bytes([byte]))
    assert owner(link).seen == [b"aa", b"bb"]
    link.received(b"cdd")
    assert owner(link).seen == [b"aa", b"bb", b"cc", b"dd"]


def test_output_is_offered_once_and_accounted_for(link: PeerLink, dirty: list[PeerLink]) -> None:
    link.send(b"one")
    link.send(b"two")
    assert dirty == [link]
    assert link.out_size == 6
    assert link.take_output() == b"onetwo"
    link.sent(4)
    assert link.out_size == 2
    drained: list[int] = []
    link.on_drained = lambda: drained.append(1)
    link.sent(2)
    assert drained == [1]
    link.send(b"more")
    assert dirty == [link, link]


def test_a_violation_closes_the_link_with_one_line(
    link: PeerLink, dirty: list[PeerLink], caplog: pytest.LogCaptureFixture
) -> None:
    link.send(b"never sent")
    with caplog.at_level(logging.WARNING):
        link.received(b"aa!!bb")
    assert link.closing
    assert link.take_output() == b""
    assert link in dirty
    assert [record.getMessage() for record in caplog.records] == [
        "closing the link to server.2: two bangs"
    ]
    link.received(b"cc")
    assert owner(link).seen == [b"aa"]


def test_close_lets_the_output_go_first(link: PeerLink) -> None:
    link.send(b"bye")
    link.close()
    link.send(b"too late")
    assert link.take_output() == b"bye"


def test_the_owner_hears_of_a_break_once(link: PeerLink) -> None:
    link.broken()
    link.broken()
    link.send(b"nobody")
    assert owner(link).broken == 1
    assert link.take_output() == b""
    assert link.closing
