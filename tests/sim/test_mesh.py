"""The simulated election mesh: loses, doubles, keeps the newest, tells who can be reached."""

from __future__ import annotations

from random import Random

from zoo.sim.mesh import Mesh
from zoo.sim.reach import Reach
from zoo.sim.schedule import Schedule


class Member:
    def __init__(self) -> None:
        self.is_up = self.has_power = True
        self.heard: list[tuple[int, bytes]] = []
        self.links: list[str] = []
        self.unknown: list[int] = []

    def knows(self, sid: int) -> bool:
        return sid not in self.unknown

    def notification(self, sid: int, data: bytes) -> None:
        self.heard.append((sid, data))

    def reachable(self, sid: int) -> None:
        self.links.append(f"+{sid}")

    def unreachable(self, sid: int) -> None:
        self.links.append(f"-{sid}")


class Stage:
    def __init__(self, count: int = 3) -> None:
        self.schedule, self.reach = Schedule(), Reach(Random(1))
        self.mesh = Mesh(self.schedule, Random(2), self.reach)
        self.members = {sid: Member() for sid in range(1, count + 1)}
        for sid, member in self.members.items():
            self.mesh.join(sid, member)

    def run(self, seconds: int = 10) -> None:
        self.schedule.run_until(self.schedule.now + seconds * 1_000_000)


def test_a_message_arrives_later() -> None:
    stage = Stage()
    stage.mesh.send(1, 2, b"vote")
    assert stage.members[2].heard == []
    stage.run()
    assert stage.members[2].heard == [(1, b"vote")]
    assert stage.members[3].heard == []


def test_messages_overtake_each_other_get_lost_and_doubled() -> None:
    stage = Stage()
    stage.reach.loss, stage.reach.duplicates = 0.3, 0.3
    sent = [b"%03d" % i for i in range(200)]
    for data in sent:
        stage.mesh.send(1, 2, data)
    stage.run()
    heard = [data for _, data in stage.members[2].heard]
    assert heard != sorted(heard)
    assert 20 < stage.mesh.lost < 100
    assert len(heard) > len(set(heard))


def test_what_cannot_be_sent_is_kept_the_newest_of_it() -> None:
    stage = Stage()
    stage.reach.split([1], [2])
    stage.mesh.blocked()
    stage.mesh.send(1, 2, b"old")
    stage.mesh.send(1, 2, b"new")
    stage.run()
    assert stage.members[2].heard == []
    assert stage.members[1].links == ["-2"]
    assert stage.members[2].links == ["-1"]
    stage.reach.heal()
    stage.run()
    assert stage.members[2].heard == [(1, b"new")]
    assert stage.members[1].links == ["-2", "+2"]
    assert stage.members[3].links == []


def test_a_server_that_ends_is_missed_and_heard_of_again() -> None:
    stage = Stage()
    stage.members[3].is_up = False
    stage.mesh.went(3)
    stage.mesh.send(1, 3, b"vote")
    stage.run()
    assert stage.members[1].links == ["-3"]
    stage.members[3].is_up = True
    stage.mesh.came_back(3)
    stage.run()
    assert stage.members[1].links == ["-3", "+3"]
    assert stage.members[3].heard == [(1, b"vote")]
    assert stage.members[3].links == ["+1", "+2"]


def test_who_starts_learns_who_is_not_there() -> None:
    stage = Stage()
    stage.members[2].is_up = False
    stage.mesh.came_back(1)
    stage.run()
    assert stage.members[1].links == ["-2", "+3"]


def test_one_of_two_has_to_know_where_the_other_is() -> None:
    stage = Stage(2)
    one, two = stage.members.values()
    one.unknown = [2]
    stage.mesh.send(1, 2, b"over the link that 2 has made")
    stage.run()
    assert two.heard == [(1, b"over the link that 2 has made")]
    two.unknown = [1]
    stage.mesh.send(2, 1, b"kept")
    stage.mesh.came_back(1)
    stage.run()
    assert (one.heard, one.links) == ([], ["-2"])
    one.unknown = []
    stage.mesh.came_back(1)
    stage.run()
    assert one.heard == [(2, b"kept")]
    assert two.links == ["+1"]
