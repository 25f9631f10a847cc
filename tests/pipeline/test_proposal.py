from __future__ import annotations

from zoo.pipeline.proposal import CloseSession, OpenSession, Proposal


def test_only_session_proposals_open_or_close() -> None:
    plain = Proposal(1, (), b"", None, 0)
    opening, closing = OpenSession(2, (), b"", None, 0), CloseSession(3, (), b"", None, 0)
    opening.opens, closing.closes = 7, 8
    assert (plain.opens, plain.closes) == (0, 0)
    assert (opening.opens, opening.closes) == (7, 0)
    assert (closing.opens, closing.closes) == (0, 8)
