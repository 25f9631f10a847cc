"""What clients of the simulated world do: a seeded mix of everything a client can ask.

The paths are few, so that sessions meet: `/n*` ordinary znodes up to three deep, `/e` ephemerals,
`/s` sequential ones, `/c*` containers, `/t*` TTL nodes, `/g*` guarded ones, which only some
sessions may see.
"""

from __future__ import annotations

from random import Random
from typing import Any

from zoo.jute import client_records as c
from zoo.jute.constants import OPEN_ACL_UNSAFE, AddWatchMode, CreateMode, WatcherType
from zoo.jute.multi import Item
from zoo.jute.operations import Op
from zoo.jute.records import ACL
from zoo.sim.client import SimClient, State
from zoo.sim.watching import WatchBook

_OPEN = list(OPEN_ACL_UNSAFE)
_GUARDED = [ACL(31, "auth", ""), ACL(1, "digest", "nobody:x")]
# The paths where things happen; a few more of them exist than a workload usually meets at once.
_ROOTS = [b"/n0", b"/n1", b"/n2", b"/e", b"/s", b"/c0", b"/c1", b"/g0", b"/g1"]
_NODES = [
    *(b"/n%d" % i for i in range(3)),
    *(b"/n%d/m%d" % (i, j) for i in range(3) for j in range(3)),
    *(b"/n%d/m%d/l" % (i, j) for i in range(2) for j in range(2)),
    *(b"/c%d/x%d" % (i, j) for i in range(2) for j in range(2)),
    *(b"/e/x%d" % i for i in range(4)),
]
_MOST_PENDING = 30

_WRITES = (
    ("create", 14),
    ("ephemeral", 8),
    ("sequential", 5),
    ("container", 2),
    ("ttl", 3),
    ("set", 22),
    ("delete", 12),
    ("drop", 5),
    ("acl", 2),
    ("multi", 9),
)
_READS = (
    ("get", 16),
    ("exists", 10),
    ("children", 10),
    ("get_acl", 2),
    ("count", 1),
    ("mine", 1),
    ("multi_read", 3),
    ("watch", 2),
    ("unwatch", 1),
    ("sync", 1),
    ("who", 1),
)


class Workload:
    """Drives one client. Its next step is a function of the seed and of what it was answered."""

    def __init__(self, client: SimClient, rng: Random, number: int) -> None:
        self.client = client
        self.rng = rng
        self.number = number
        self.stopped = False
        self.is_calm = False
        """Only ask; neither hang up nor fall silent."""
        self.pause_us = rng.choice((5_000, 20_000, 60_000))
        self.saved: WatchBook | None = None
        self._names = [name for name, _ in _WRITES + _READS]
        self._weights = [weight for _, weight in _WRITES + _READS]
        self._turn = 0
        client.on_ready = self.begin

    # --- pace

    def begin(self) -> None:
        """The client is connected: prove who it is, set its watches again, go on."""
        client = self.client
        if self.number % 2:
            client.submit(Op.auth, c.AuthPacket(0, "digest", b"user%d:secret" % (self.number % 3)))
        if self.saved is not None and not self.saved.is_empty() and self.rng.random() < 0.7:
            client.submit(Op.setWatches2, self.saved.as_request(client.last_zxid))
        self.saved = None
        self._turn += 1
        self._later(self._turn)

    def _later(self, turn: int) -> None:
        delay = int(self.rng.expovariate(1 / self.pause_us))
        self.client.schedule.after(delay, lambda: self._act(turn))

    def _act(self, turn: int) -> None:
        client, rng = self.client, self.rng
        if self.stopped or turn != self._turn or client.state is not State.CONNECTED:
            return
        choice = rng.random() if not self.is_calm else 1.0
        if choice < 0.004:
            client.hang_up()
        elif choice < 0.007:
            client.submit(Op.closeSession, None)
            for _ in range(rng.choice((0, 1, 3))):  # what comes too late must not be done
                client.submit(*self.request())
            return
        elif choice < 0.009:
            client.fall_silent()
            return
        elif choice < 0.012:
            client.schedule.after(rng.randint(0, 2 * client.granted_ms * 1000), self._wake(turn))
            return
        elif len(client.pending) < _MOST_PENDING:
            for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
                client.submit(*self.request())
        self._later(turn)

    def _wake(self, turn: int) -> Any:
        return lambda: self._act(turn)

    # --- requests

    def request(self) -> tuple[Op, Any]:
        name = self.rng.choices(self._names, self._weights)[0]
        request: tuple[Op, Any] = getattr(self, f"_{name}")()
        return request

    def _node(self) -> bytes:
        return self.rng.choice(_NODES)

    def _data(self) -> bytes | None:
        rng = self.rng
        choice = rng.random()
        if choice < 0.05:
            return None
        if choice < 0.07:
            return rng.randbytes(rng.randint(1_000, 30_000))
        return rng.randbytes(rng.randint(0, 40))

    def _version(self) -> int:
        return self.rng.choice((-1, -1, -1, 0, 1, 2))

    def _create(self) -> tuple[Op, Any]:
        rng = self.rng
        path = rng.choice(_ROOTS) if rng.random() < 0.3 else self._node()
        acl = _GUARDED if path.startswith(b"/g") and self.number % 2 else _OPEN
        return rng.choice((Op.create, Op.create2)), c.CreateRequest(path, self._data(), acl, 0)

    def _ephemeral(self) -> tuple[Op, Any]:
        mode = self.rng.choice((CreateMode.EPHEMERAL, CreateMode.EPHEMERAL_SEQUENTIAL))
        return Op.create, c.CreateRequest(self._node(), self._data(), _OPEN, mode)

    def _sequential(self) -> tuple[Op, Any]:
        request = c.CreateRequest(b"/s/q-", self._data(), _OPEN, CreateMode.PERSISTENT_SEQUENTIAL)
        return Op.create2, request

    def _container(self) -> tuple[Op, Any]:
        path = b"/c%d" % self.rng.randrange(2)
        return Op.createContainer, c.CreateRequest(path, b"", _OPEN, CreateMode.CONTAINER)

    def _ttl(self) -> tuple[Op, Any]:
        path, ttl = b"/t%d" % self.rng.randrange(3), self.rng.randint(1, 4_000)
        mode = CreateMode.PERSISTENT_WITH_TTL
        return Op.createTTL, c.CreateTTLRequest(path, self._data(), _OPEN, mode, ttl)

    def _set(self) -> tuple[Op, Any]:
        path = b"/g0" if self.rng.random() < 0.05 else self._node()
        return Op.setData, c.SetDataRequest(path, self._data(), self._version())

    def _delete(self) -> tuple[Op, Any]:
        return Op.delete, c.DeleteRequest(self._node(), self._version())

    def _drop(self) -> tuple[Op, Any]:
        """Delete sequential nodes again, so that they do not pile up."""
        name = b"/s/q-%010d" % self.rng.randrange(200)
        return Op.delete, c.DeleteRequest(name, -1)

    def _acl(self) -> tuple[Op, Any]:
        acl = _GUARDED if self.number % 2 else _OPEN
        path = b"/g%d" % self.rng.randrange(2)
        return Op.setACL, c.SetACLRequest(path, acl, self.rng.choice((-1, -1, 0, 1)))

    def _multi(self) -> tuple[Op, Any]:
        rng = self.rng
        if rng.random() < 0.5:  # two znodes that must always agree
            data = rng.randbytes(8)
            pair: list[Item] = [
                (Op.setData, c.SetDataRequest(b"/n0", data, -1)),
                (Op.setData, c.SetDataRequest(b"/n1", data, -1)),
            ]
            return Op.multi, pair
        items = [self._multi_item() for _ in range(rng.randint(0, 5))]
        return Op.multi, items

    def _multi_item(self) -> Item:
        name = self.rng.choice(("create", "set", "delete", "check", "ephemeral", "container"))
        if name == "check":
            return Op.check, c.CheckVersionRequest(self._node(), self._version())
        item: Item = getattr(self, f"_{name}")()
        return item

    def _get(self) -> tuple[Op, Any]:
        path = b"/g0" if self.rng.random() < 0.05 else self._node()
        return Op.getData, c.GetDataRequest(path, self._watched(path))

    def _watched(self, path: bytes) -> bool:
        # Guarded znodes' events depend on who may read them; they are left to other tests.
        return self.rng.random() < 0.25 and not path.startswith(b"/g")

    def _exists(self) -> tuple[Op, Any]:
        path = self._node()
        return Op.exists, c.ExistsRequest(path, self._watched(path))

    def _children(self) -> tuple[Op, Any]:
        op = self.rng.choice((Op.getChildren, Op.getChildren2))
        path = self.rng.choice((b"/", b"/n0", b"/n1", b"/s", b"/e", b"/c0", b"/n0/m0"))
        return op, c.GetChildrenRequest(path, self.rng.random() < 0.25)

    def _get_acl(self) -> tuple[Op, Any]:
        return Op.getACL, c.GetACLRequest(self.rng.choice((b"/g0", b"/n0", b"/n1/m0")))

    def _count(self) -> tuple[Op, Any]:
        return Op.getAllChildrenNumber, c.GetAllChildrenNumberRequest(self.rng.choice(_ROOTS))

    def _mine(self) -> tuple[Op, Any]:
        return Op.getEphemerals, c.GetEphemeralsRequest(b"/")

    def _multi_read(self) -> tuple[Op, Any]:
        items: list[Item] = [
            (Op.getData, c.GetDataRequest(b"/n0", False)),
            (Op.getData, c.GetDataRequest(b"/n1", False)),
            (Op.getChildren, c.GetChildrenRequest(self._node(), False)),
        ]
        return Op.multiRead, items

    def _watch(self) -> tuple[Op, Any]:
        path = self.rng.choice((b"/n0", b"/n1/m1", b"/e", b"/c0"))
        return Op.addWatch, c.AddWatchRequest(path, self.rng.choice(list(AddWatchMode)))

    def _unwatch(self) -> tuple[Op, Any]:
        return Op.removeWatches, c.RemoveWatchesRequest(self._node(), WatcherType.ANY)

    def _sync(self) -> tuple[Op, Any]:
        return Op.sync, c.SyncRequest(self._node())

    def _who(self) -> tuple[Op, Any]:
        return Op.whoAmI, None
