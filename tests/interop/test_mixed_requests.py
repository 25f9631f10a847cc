"""What members of both kinds must agree on when one forwards a request to the other."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.interop import session as s
from tests.interop.ensemble import Ensemble
from tests.interop.harness import wait_until
from tests.interop.raw_client import INT, LinkClosed, buffer
from tests.interop.rider import synced
from tests.interop.session import Session, multi_results
from tests.interop.test_mixed_ensemble import same_tree_everywhere

pytestmark = [pytest.mark.interop, pytest.mark.usefixtures("needs_java", "needs_zoo")]

LED_BY_ZOO = ("java", "zoo", "java")
LED_BY_JAVA = ("zoo", "java", "zoo")
_AUTH: s.Acl = ((31, b"auth", b""),)
_READ_ONLY: s.Acl = ((1, b"world", b"anyone"),)
_NO_AUTH, _BAD_VERSION, _NO_NODE = -102, -103, -101


@pytest.fixture(params=[LED_BY_ZOO, LED_BY_JAVA], ids="-".join, scope="module")
def ensemble(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ensemble]:
    """Members 1 and 3 of one kind follow member 2 of the other."""
    ensemble = started(tmp_path_factory.mktemp("ensemble"), request.param)
    yield ensemble
    try:
        same_tree_everywhere(ensemble)
    finally:
        ensemble.kill()


def started(directory: Path, kinds: tuple[str, ...], **settings: object) -> Ensemble:
    often = {"znode.container.checkIntervalMs": 200}
    ensemble = Ensemble(directory, kinds, **often, **settings)
    for server in ensemble.members.values():  # Java takes this one from its command line alone
        server.properties = ("-Dznode.container.checkIntervalMs=200",)
    try:
        ensemble.start(1, 2)
        ensemble.start(3)
        assert ensemble.settled() == {1: "follower", 2: "leader", 3: "follower"}
    except BaseException:
        ensemble.kill()
        raise
    return ensemble


@pytest.mark.parametrize("sid", [1, 2])
def test_large_values_pass(ensemble: Ensemble, sid: int) -> None:
    path = b"/large-%d" % sid
    writer = Session(ensemble[sid].port)
    writer.create(path)
    for size in (100_000, 1_000_000):
        data = bytes(range(256)) * (size // 256)
        writer.set(path, data)
        for server in ensemble.members.values():
            reader = synced(server.port)
            assert reader.get(path)[0] == data
            reader.close()
    writer.set(path, None)
    assert writer.get(path)[0] is None
    writer.close()


@pytest.mark.parametrize("sid", [1, 2])
def test_identities_travel_with_requests(ensemble: Ensemble, sid: int) -> None:
    path = b"/owned-%d" % sid
    owner, stranger = Session(ensemble[sid].port), Session(ensemble[sid].port)
    owner.auth(b"digest", b"user:secret")
    owner.create(path, b"mine", acl=_AUTH)
    assert owner.get_acl(path)[0][1:] == (b"digest", owner.get_acl(path)[0][2])
    owner.set(path, b"still mine")
    for act in (
        lambda: stranger.set(path, b"theirs"),
        lambda: stranger.create(path + b"/child"),
        lambda: stranger.set_acl(path, s.OPEN),
        lambda: stranger.get(path),
    ):
        with pytest.raises(s.Refused, match=str(_NO_AUTH)):
            act()
    friend = synced(ensemble[3 - sid].port)
    friend.auth(b"digest", b"user:secret")
    friend.set_acl(path, _READ_ONLY)
    # A Java leader goes by the old ACL until it has applied the new one, which may be later than
    # the reply of a follower.
    leader = synced(ensemble[2].port)
    leader.auth(b"digest", b"user:secret")
    wait_until(lambda: leader.get_acl(path) == _READ_ONLY, 10, "the leader goes by the new ACL")
    leader.close()
    assert friend.get(path)[0] == b"still mine"
    with pytest.raises(s.Refused, match=str(_NO_AUTH)):
        friend.set(path, b"")
    for session in (owner, stranger, friend):
        session.close()


@pytest.mark.parametrize("sid", [1, 2])
def test_refusals_are_the_same_through_both(ensemble: Ensemble, sid: int) -> None:
    path = b"/refused-%d" % sid
    session = Session(ensemble[sid].port)
    session.create(path)
    with pytest.raises(s.Refused, match=str(_BAD_VERSION)):
        session.set(path, b"", version=7)
    with pytest.raises(s.Refused, match=str(_NO_NODE)):
        session.delete(path + b"/nowhere")
    parts = [
        (s.CREATE, s.create_body(path + b"/a")),
        (s.CHECK, buffer(path) + INT.pack(9)),
        (s.CREATE, s.create_body(path + b"/b")),
    ]
    assert multi_results(session.multi(parts)) == [0, _BAD_VERSION, -2]
    assert session.children(path) == []
    # refused and granted in one burst: answers in order, each its own
    session.send_all([(s.CREATE, s.create_body(path + b"/c-%d" % (n // 2))) for n in range(40)])
    assert [session.receive().error for _ in range(40)] == [0, -110] * 20
    session.close()


@pytest.mark.parametrize("sid", [1, 2])
def test_reads_wait_for_the_writes_before_them(ensemble: Ensemble, sid: int) -> None:
    path = b"/pipelined-%d" % sid
    session = Session(ensemble[sid].port)
    session.create(path)
    requests = []
    for number in range(200):
        requests.append((s.SET_DATA, s.set_body(path, b"%d" % number)))
        requests.append((s.GET_DATA, buffer(path) + b"\0"))
    session.send_all(requests)
    for number in range(200):
        assert session.receive().error == 0
        assert s.take_buffer(session.receive().body)[0] == b"%d" % number
    session.close()


def test_a_sync_at_zoo_shows_what_was_acknowledged_elsewhere(ensemble: Ensemble) -> None:
    """Of Zoo alone: a Java leader lets syncs of its own clients overtake commits now and then."""
    path = b"/synced"
    Session(ensemble[1].port).create(path)
    requests = [(s.SYNC, buffer(path)), (s.GET_DATA, buffer(path) + b"\0")]
    for sid, server in ensemble.members.items():
        for reader_sid in (n for n in ensemble.members if ensemble[n].kind == "zoo" and n != sid):
            writer, reader = Session(server.port), Session(ensemble[reader_sid].port)
            for number in range(100):
                writer.set(path, b"%d" % number)
                reader.send_all(requests)
                assert reader.receive().error == 0
                assert s.take_buffer(reader.receive().body)[0] == b"%d" % number
            writer.close()
            reader.close()


@pytest.mark.parametrize("sid", [1, 2])
def test_containers_and_ttl_nodes_go(ensemble: Ensemble, sid: int) -> None:
    session = Session(ensemble[sid].port)
    box, brief = b"/container-%d" % sid, b"/ttl-%d" % sid
    session.create(box, b"", s.CONTAINER)
    session.create(box + b"/child")
    session.create(brief, b"", s.TTL, ttl=300)
    session.delete(box + b"/child")
    assert wait_until(
        partial(_are_gone, ensemble, {box[1:], brief[1:]}), 15, "the leader removes both"
    )
    session.close()


def _are_gone(ensemble: Ensemble, names: set[bytes]) -> bool:
    for server in ensemble.members.values():
        session = synced(server.port)
        there = names & set(session.children(b"/"))
        session.close()
        if there:
            return False
    return True


@pytest.mark.parametrize("kinds", [LED_BY_ZOO, LED_BY_JAVA], ids="-".join)
def test_local_sessions_become_global_with_their_first_ephemeral(
    kinds: tuple[str, ...], tmp_path: Path
) -> None:
    local = {"localSessionsEnabled": "true", "localSessionsUpgradingEnabled": "true"}
    ensemble = started(tmp_path, kinds, **local)
    try:
        for sid, server in ensemble.members.items():
            path = b"/upgraded-%d" % sid
            session = Session(server.port)
            session.create(path + b"-no")
            session.create(path, b"", s.EPHEMERAL)
            assert session.get(path)[1].ephemeral_owner == session.id
            other = ensemble[sid % 3 + 1].port
            moved = wait_until(partial(_take_up, session, other), 10, "it is known elsewhere")
            assert moved is not None
            assert moved.id == session.id
            moved.close()
            assert path[1:] not in synced(server.port).children(b"/")
        same_tree_everywhere(ensemble)
    finally:
        ensemble.kill()


def _take_up(old: Session, port: int) -> Session | None:
    try:
        return Session(port, old.timeout_ms, old.id, old.password, 10.0, old.last_zxid)
    except LinkClosed:
        return None


@pytest.mark.parametrize(
    "kinds",
    [LED_BY_JAVA, pytest.param(("java", "zoo", "zoo"), marks=pytest.mark.slow)],
    ids="-".join,
)
def test_weights_decide_who_leads_and_what_a_quorum_is(
    kinds: tuple[str, ...], tmp_path: Path
) -> None:
    groups = {"group.1": "1:2:3", "weight.1": 1, "weight.2": 1, "weight.3": 0}
    ensemble = Ensemble(tmp_path, kinds, **groups)
    try:
        ensemble.start()
        assert ensemble.settled() == {1: "follower", 2: "leader", 3: "follower"}
        ensemble[3].kill()
        session = Session(ensemble[1].port)
        session.create(b"/without-3")
        session.close()
        ensemble.start(3)
        ensemble.settled()
        ensemble[1].kill()
        wait_until(lambda: ensemble.mode(2) == "" == ensemble.mode(3), 20, "no quorum any more")
        ensemble.start(1)
        assert ensemble.settled()[2] == "leader"
        same_tree_everywhere(ensemble)
    finally:
        ensemble.kill()
