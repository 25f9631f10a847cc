"""Sessions, ephemerals and watches that go from members of one kind to members of the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from tests.interop import session as s
from tests.interop.ensemble import Ensemble
from tests.interop.harness import wait_out, wait_until
from tests.interop.raw_client import INT, LONG, LinkClosed, buffer, framed, header
from tests.interop.rider import Rider, synced
from tests.interop.session import Session, take_buffer

pytestmark = [pytest.mark.interop, pytest.mark.usefixtures("needs_java", "needs_zoo")]

LED_BY_ZOO = ("java", "zoo", "java")
LED_BY_JAVA = ("zoo", "java", "zoo")
_SET_WATCHES, _SET_WATCHES_XID = 101, -8
_CREATED, _DELETED, _CHANGED, _CHILD = 1, 2, 3, 4


@pytest.fixture(params=[LED_BY_ZOO, LED_BY_JAVA], ids="-".join, scope="module")
def ensemble(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ensemble]:
    """Members 1 and 3 of one kind follow member 2 of the other; nobody is killed in these tests."""
    ensemble = Ensemble(tmp_path_factory.mktemp("ensemble"), request.param)
    try:
        ensemble.start(1, 2)
        ensemble.start(3)
        assert ensemble.settled() == {1: "follower", 2: "leader", 3: "follower"}
        yield ensemble
    finally:
        ensemble.kill()


def take_up(old: Session, port: int) -> Session:
    """As a client does: again, when the server hangs up because it is not as far yet."""

    def attempt() -> Session | None:
        try:
            return Session(port, old.timeout_ms, old.id, old.password, 10.0, old.last_zxid)
        except LinkClosed:
            return None

    session = wait_until(attempt, 5, "the session is taken up")
    assert session is not None
    return session


def gone_everywhere(ensemble: Ensemble, path: bytes) -> bool:
    return exists_everywhere(ensemble, path) == {False}


def exists_everywhere(ensemble: Ensemble, path: bytes) -> set[bool]:
    found = set()
    for server in ensemble.members.values():
        session = synced(server.port)
        found.add(path[1:] in session.children(b"/"))
        session.close()
    return found


@pytest.mark.parametrize(("first", "then"), [(1, 2), (2, 3), (1, 3), (2, 1)])
def test_a_session_is_taken_up_at_any_member(ensemble: Ensemble, first: int, then: int) -> None:
    path = b"/taken-up-%d-%d" % (first, then)
    old = Session(ensemble[first].port)
    old.create(path, b"", s.EPHEMERAL)
    new = take_up(old, ensemble[then].port)
    assert (new.id, new.password, new.timeout_ms) == (old.id, old.password, old.timeout_ms)
    assert new.set(path, b"mine").ephemeral_owner == old.id
    with pytest.raises((LinkClosed, s.Refused)):  # gone elsewhere: -118 or no link any more
        old.set(path, b"still mine?")
    old.drop()
    back = take_up(new, ensemble[first].port)
    assert back.get(path)[0] == b"mine"
    back.close()
    assert exists_everywhere(ensemble, path) == {False}


def test_a_wrong_password_takes_nothing_up(ensemble: Ensemble) -> None:
    for sid in ensemble.members:
        owner = Session(ensemble[sid].port)
        for other in ensemble.members.values():
            thief = Session(other.port, session_id=owner.id, password=b"x" * 16)
            assert thief.id == 0
        if ensemble[sid].kind == "java":  # it ends the owner's link before it looks at passwords
            owner = take_up(owner, ensemble[sid].port)
        owner.close()


def test_a_closed_session_is_not_taken_up(ensemble: Ensemble) -> None:
    for sid in ensemble.members:
        owner = Session(ensemble[sid].port)
        owner.create(b"/closed", b"", s.EPHEMERAL)
        owner.close()
        for other in ensemble.members.values():
            assert take_up(owner, other.port).id == 0
        assert exists_everywhere(ensemble, b"/closed") == {False}


def test_a_session_lives_on_pings_and_dies_without(ensemble: Ensemble) -> None:
    for sid in (1, 2):
        path = b"/pinged-%d" % sid
        session = Session(ensemble[sid].port, timeout_ms=1500)
        assert session.timeout_ms == 1500
        session.create(path, b"", s.EPHEMERAL)
        for _ in range(10):
            wait_out(0.3)
            session.ping()
        assert exists_everywhere(ensemble, path) == {True}
        session.drop()
        wait_until(partial(gone_everywhere, ensemble, path), 10, "it expires")
        assert take_up(session, ensemble[sid].port).id == 0


def set_watches(
    session: Session, seen: int, data: Sequence[bytes], exists: Sequence[bytes], child: bytes
) -> None:
    def vector(paths: Sequence[bytes]) -> bytes:
        return INT.pack(len(paths)) + b"".join(buffer(path) for path in paths)

    body = LONG.pack(seen) + vector(data) + vector(exists) + vector([child])
    session.link.send(framed(header(_SET_WATCHES_XID, _SET_WATCHES) + body))
    reply = session.receive()
    assert (reply.xid, reply.error) == (_SET_WATCHES_XID, 0)


def seen_events(session: Session) -> set[tuple[int, bytes]]:
    """All that has come so far; a reply comes behind the events of what it shows."""
    session.get(b"/")
    events = set()
    for event in session.events:
        kind = INT.unpack_from(event.body)[0]
        events.add((kind, take_buffer(event.body, 8)[0] or b""))
    session.events.clear()
    return events


@pytest.mark.parametrize(("first", "then"), [(1, 2), (2, 1)])
def test_watches_are_set_again_at_another_member(ensemble: Ensemble, first: int, then: int) -> None:
    root = b"/watched-%d" % first
    names = [root + b"/" + name for name in (b"changed", b"deleted", b"quiet", b"parent")]
    changed, deleted, quiet, parent = names
    made, quiet_made = root + b"/made", root + b"/never"
    other = Session(ensemble[then].port)
    for path in (root, *names):
        other.create(path)
    client = synced(ensemble[first].port)
    client.get(root)
    client.drop()
    seen = client.last_zxid
    other.set(changed, b"x")
    other.delete(deleted)
    other.create(made)
    other.create(parent + b"/child")
    client = take_up(client, ensemble[then].port)
    set_watches(client, seen, [changed, deleted, quiet], [made, quiet_made], parent)
    assert seen_events(client) == {
        (_CHANGED, changed),
        (_DELETED, deleted),
        (_CREATED, made),
        (_CHILD, parent),
    }
    other.set(quiet, b"now")
    other.create(quiet_made)
    assert seen_events(client) == {(_CHANGED, quiet), (_CREATED, quiet_made)}
    client.close()
    other.close()


def test_a_watch_at_one_member_sees_writes_at_another(ensemble: Ensemble) -> None:
    for sid, server in ensemble.members.items():
        path = b"/seen-%d" % sid
        watcher = Session(server.port)
        watcher.create(path)
        for other in ensemble.members.values():
            watcher.get(path, watch=True)
            writer = Session(other.port)
            writer.set(path, b"x")
            writer.close()
            wait_until(partial(_heard, watcher), 5, f"member {sid} tells of a write")
            assert {(_CHANGED, path)} == seen_events(watcher)
        watcher.close()


def _heard(session: Session) -> bool:
    session.get(b"/")
    return bool(session.events)


@pytest.mark.parametrize("kinds", [LED_BY_ZOO, LED_BY_JAVA], ids="-".join)
def test_when_the_leader_dies_the_other_kind_leads_and_sessions_live(
    kinds: Sequence[str], tmp_path: Path
) -> None:
    ensemble = Ensemble(tmp_path, kinds)
    ports = [server.port for server in ensemble.members.values()]
    riders = [Rider(ports[n:] + ports[:n], b"%d" % n) for n in range(3)]
    try:
        ensemble.start(1, 2)
        ensemble.start(3)
        assert ensemble.settled()[2] == "leader"
        for rider in riders:
            rider.start()
        wait_until(lambda: all(rider.acknowledged for rider in riders), 10, "load")
        ensemble[2].kill()
        heir = ensemble.leader()
        assert ensemble[heir].kind != kinds[1]
        _all_write_on(riders)
        ensemble.start(2)
        ensemble[heir].kill()
        _all_write_on(riders)
        ensemble.start(heir)
        ensemble.settled()
        for rider in riders:
            rider.finish()
        session = synced(ensemble[1].port)
        for rider in riders:
            assert rider.expired == 0
            rider.check(session)
        session.close()
    finally:
        for rider in riders:
            rider.over.set()
        ensemble.kill()


def _all_write_on(riders: Sequence[Rider]) -> None:
    before = [rider.acknowledged for rider in riders]
    wait_until(
        lambda: all(r.acknowledged > b for r, b in zip(riders, before, strict=True)),
        30,
        "every client writes again",
    )
