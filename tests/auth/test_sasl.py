from __future__ import annotations

import pytest

from zoo.auth.sasl import SaslExchange, SaslMechanism, SaslStep
from zoo.errors import Code, KeeperError
from zoo.tree.acl import Identity, Peer


class Password:
    """The smallest mechanism with more than one step: a greeting, then the password."""

    name = "X-PASSWORD"

    def start(self, peer: Peer) -> SaslExchange:
        return PasswordExchange(peer)


class PasswordExchange:
    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._greeted = False

    def step(self, token: bytes) -> SaslStep:
        if not self._greeted:
            self._greeted = True
            return SaslStep(b"password for " + self._peer.ip.encode())
        if token != b"sesame":
            raise KeeperError(Code.AUTHFAILED, "wrong password")
        return SaslStep(None, (Identity("sasl", "bob"),))


def _exchange() -> SaslExchange:
    mechanism: SaslMechanism = Password()
    return mechanism.start(Peer("1.2.3.4"))


def test_an_exchange_is_complete_with_its_identities() -> None:
    exchange = _exchange()
    first = exchange.step(b"")
    assert (first.token, first.complete) == (b"password for 1.2.3.4", False)
    last = exchange.step(b"sesame")
    assert (last.token, last.complete) == (None, True)
    assert last.identities == (Identity("sasl", "bob"),)


def test_an_exchange_can_fail() -> None:
    exchange = _exchange()
    exchange.step(b"")
    with pytest.raises(KeeperError, match="wrong password"):
        exchange.step(b"barley")
