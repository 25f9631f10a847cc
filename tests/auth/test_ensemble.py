from __future__ import annotations

import pytest

from zoo.auth.ensemble import EnsembleProvider
from zoo.errors import ProtocolViolation
from zoo.tree.acl import Peer

PEER = Peer("127.0.0.1")
provider = EnsembleProvider(["prod", " spare "])


@pytest.mark.parametrize("token", [b"prod", b"spare", b"", None])
def test_a_client_of_this_ensemble_earns_nothing_and_may_stay(token: bytes | None) -> None:
    assert provider.authenticate(token, PEER) == []


@pytest.mark.parametrize("token", [b"test", b"PROD", b"prod ", b"\xff"])
def test_a_client_of_another_ensemble_is_dropped(token: bytes) -> None:
    with pytest.raises(ProtocolViolation, match="prod, spare"):
        provider.authenticate(token, PEER)


def test_the_scheme_is_of_no_use_in_acls() -> None:
    assert not provider.is_authenticated
    assert not provider.is_valid("prod")
    assert not provider.matches("prod", "prod")
    assert provider.user_name("prod") == "prod"
