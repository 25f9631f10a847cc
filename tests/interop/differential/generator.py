"""Stream(seed): steps of several clients, from weighted choices over a small, nasty universe.

A step is plain data:
  {"do": "connect", "slot": 0, ...}                  open a link: new session, or re-attach
  {"do": "drop", "slot": 0}                          cut the link, leave the session
  {"do": "send", "slot": 0, "requests": [[op, args, mangle], ...]}   one write, one or more requests
  {"do": "raw", "slot": 0, "hex": "..."}             bytes that are no request
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from tests.interop.differential import values
from tests.interop.differential.wire import CLOSING

Step = dict[str, Any]
Request = list[Any]
SLOTS = 4
HARMLESS = {"data": "x", "acl": values.OPEN, "flags": 0, "ttl": 100000}


def _races(request: Request, in_multi: bool = False) -> bool:
    """Whether what the peer answers, or answers next, depends on its threads' timing in a burst.

    Operations of CLOSING go past its queue. While a setACL is under way, its checks see the old
    ACL. A container or TTL node with the flag of an ephemeral counts as one until it is applied.
    """
    op, args = request[:2]
    if op in ("createContainer", "createTTL"):
        return args["flags"] in (1, 3)
    if any(_races(sub, in_multi=True) for sub in args.get("ops", ())):
        return True
    return op == "setACL" or (op in CLOSING and not in_multi)


class Generator:
    """Makes the steps of one seed. `quota_enforced` leaves out what is a race in the peer then."""

    def __init__(self, seed: int, quota_enforced: bool = False) -> None:
        self._random = random.Random(seed)
        self._quota_enforced = quota_enforced
        self._known: list[str] = []
        self._kinds: list[tuple[int, Callable[[], Step]]] = [
            (60, self._single),
            (9, self._burst),
            (4, self._inline),
            (3, self._mangled),
            (3, self._session_change),
            (2, self._close),
            (1, self._raw),
        ]
        self._requests: list[tuple[int, Callable[[], Request]]] = [
            (22, self._create),
            (10, self._delete),
            (10, self._set_data),
            (14, self._read),
            (5, self._children),
            (12, self._watch),
            (8, self._multi),
            (3, self._multi_read),
            (6, self._acl),
            (5, self._quota),
            (4, self._odd),
        ]

    def steps(self) -> list[Step]:
        steps: list[Step] = [self._connect(slot) for slot in range(self._random.randint(1, SLOTS))]
        for _ in range(self._random.randint(10, 60)):
            steps.append(self._pick(self._kinds)())
            if self._random.random() < 0.04:
                steps.append(self._connect(self._slot()))
        return steps

    # -- steps

    def _slot(self) -> int:
        return self._random.choice((0, 0, 0, 1, 1, 2, 3))

    def _send(self, *requests: Request) -> Step:
        return {"do": "send", "slot": self._slot(), "requests": list(requests)}

    def _connect(self, slot: int, **changes: Any) -> Step:
        step = {"do": "connect", "slot": slot, "timeout": 30000, "of": None, "password": "zeros"}
        return {**step, "seen": "0", "protocol": 0, "readonly": 0, **changes}

    def _single(self) -> Step:
        return self._send(self._pick(self._requests)())

    def _burst(self) -> Step:
        if self._quota_enforced:
            return self._single()
        if self._random.random() < 0.1:
            return self._send(*self._big_family())
        count = self._random.choice((2, 3, 5, 8, 20))
        requests = [self._pick(self._requests)() for _ in range(count)]
        return self._send(*(request for request in requests if not _races(request)))

    def _big_family(self) -> list[Request]:
        count = self._random.choice((50, 200))
        family: list[Request] = [["create", self._node("$R/big", flags=0)]]
        family += [["create", self._node(f"$R/big/child-{i:03d}", flags=0)] for i in range(count)]
        return [*family, ["getChildren2", {"path": "$R/big", "watch": 0}]]

    def _inline(self) -> Step:
        """Operations that the peer answers past its queue: always alone."""
        kind = self._random.randint(0, 9)
        if kind < 7:
            pool = values.AUTHS if kind < 5 else values.BAD_AUTHS
            scheme, auth = self._random.choice(pool)
            return self._send(["auth", {"type": 0, "scheme": scheme, "auth": auth}])
        if kind == 7:
            return self._send(["sasl", {"token": self._random.choice(("", "token"))}])
        name = self._random.choice(("unknown", "unused", "notification", "error"))
        return self._send([name, {"path": self._path()}])

    def _mangled(self) -> Step:
        request = self._pick(self._requests)()
        how = self._random.choice(("cut", "cut", "tail", "poke"))
        amount = self._random.choice((0, 1, 2, 3, 4, 5, 7, 8, 11, 12, 16, 20))
        value: Any = amount
        if request[0] == "getAllChildrenNumber":
            how = "cut"
        if how == "tail":
            value = "00" * (amount + 1)
        elif how == "poke":
            # Nothing over 0x7f gets inside: a negative count is an empty list to the peer.
            args = request[1]
            request[1] = {**args, **{f: v for f, v in HARMLESS.items() if f in args}}
            at_start = amount == 0
            value = [amount, self._random.choice((0xFF, 0x80) if at_start else (0x7F, 0x00))]
        return self._send([*request, {how: value}])

    def _session_change(self) -> Step:
        slot = self._slot()
        kind = self._random.randint(0, 9)
        if kind == 0:
            return {"do": "drop", "slot": slot}
        if kind <= 5:
            password = self._random.choice(("right", "right", "right", "wrong", "short", "none"))
            of = slot if self._random.random() < 0.6 else self._slot()
            return self._connect(slot, of=of, password=password, timeout=self._timeout())
        if kind == 6:
            return self._connect(slot, of="bogus", password=self._random.choice(("zeros", "none")))
        return self._connect(
            slot,
            timeout=self._timeout(),
            seen=self._random.choice(("0", 0, 0, -1, 100000, "-1", str(values.LONG_MAX))),
            protocol=self._random.choice((0, 0, 1, -1, 7)),
            readonly=self._random.choice((0, 1, None)),
            password=self._random.choice(("zeros", "zeros", "short", "empty", "none")),
        )

    def _timeout(self) -> int:
        return self._random.choice(values.TIMEOUTS)

    def _close(self) -> Step:
        return self._send(["close", {}])

    def _raw(self) -> Step:
        frame = self._random.choice(values.RAW_FRAMES)
        return {"do": "raw", "slot": self._slot(), "hex": frame}

    # -- values

    def _pick(self, weighted: list[tuple[int, Callable[[], Any]]]) -> Callable[[], Any]:
        weights = [weight for weight, _ in weighted]
        return self._random.choices([make for _, make in weighted], weights)[0]

    def _path(self) -> str:
        chance = self._random.random()
        if self._known and chance < 0.55:
            return self._random.choice(self._known)
        if chance < 0.88:
            return self._random.choice(values.NODES)
        if chance < 0.93:
            return self._random.choice(values.SYSTEM)
        return self._random.choice(values.BAD_PATHS)

    def _path_or_null(self) -> str | None:
        """A null only where the peer refuses it as one; elsewhere its answer is an accident."""
        return None if self._random.random() < 0.01 else self._path()

    def _version(self) -> int:
        return self._random.choice(values.VERSIONS)

    def _watched(self) -> int:
        return int(self._random.random() < 0.4)

    def _acl_value(self) -> Any:
        chance = self._random.random()
        if chance < 0.8:
            return values.OPEN
        return self._random.choice(values.ACLS if chance < 0.95 else values.BAD_ACLS)

    def _node(self, path: str | None, flags: int) -> dict[str, Any]:
        data = self._random.choice(values.DATA)
        return {"path": path, "data": data, "acl": self._acl_value(), "flags": flags}

    # -- requests

    def _create(self) -> Request:
        op = self._random.choice(
            ("create", "create", "create", "create2", "createTTL", "createContainer")
        )
        flags = self._random.choice(values.FLAGS)
        if op == "createTTL" and self._random.random() < 0.7:
            flags = self._random.choice((5, 6))
        elif op == "createContainer" and self._random.random() < 0.7:
            flags = 4
        if flags in (2, 3, 6) and self._random.random() < 0.7:
            path = self._random.choice(values.SEQUENCE_PREFIXES)
            self._known.append(f"{path}{self._random.randint(0, 4):010d}")
        else:
            path = self._path()
            if path and path.startswith("$R/"):
                self._known.append(path)
        # The name of a sequential child of "/" shows every stream before this one.
        if path and path.count("/") < 2 and not path.startswith("$R"):
            flags = 0
        args = self._node(path, flags)
        if op == "createTTL":
            # Without a TTL mode the peer takes any TTL into its log, and dies applying it.
            args["ttl"] = self._random.choice(values.TTLS) if flags in (5, 6) else 100000
        return [op, args]

    def _delete(self) -> Request:
        # No deleteContainer: the peer obeys any client there, past every ACL.
        return ["delete", {"path": self._path_or_null(), "version": self._version()}]

    def _set_data(self) -> Request:
        data = self._random.choice(values.DATA)
        return ["setData", {"path": self._path(), "data": data, "version": self._version()}]

    def _read(self) -> Request:
        op = self._random.choice(("exists", "getData", "exists", "getData", "getChildren2"))
        return [op, {"path": self._path_or_null(), "watch": self._watched()}]

    def _children(self) -> Request:
        op = self._random.choice(("getChildren", "getAllChildrenNumber", "getEphemerals"))
        if op == "getChildren":
            return [op, {"path": self._path(), "watch": self._watched()}]
        if op == "getAllChildrenNumber":
            # The peer counts its second name of the root under that name.
            return [op, {"path": self._path() or "/"}]
        return [op, {"prefix": self._random.choice(("/", "", " ", "$R", "$R/a", "x", None))}]

    def _watch(self) -> Request:
        op = self._random.choice(
            ("addWatch", "addWatch", "removeWatches", "checkWatches", "setWatches", "setWatches2")
        )
        if op == "addWatch":
            return [op, {"path": self._path(), "mode": self._random.choice(values.ADD_WATCH_MODES)}]
        if op in ("removeWatches", "checkWatches"):
            kind = self._random.choice(values.WATCHER_TYPES)
            return [op, {"path": self._path(), "type": kind}]
        fields = ["data", "exist", "child"]
        if op == "setWatches2":
            fields += ["persistent", "recursive"]
        relative = self._random.choice((0, 0, 1, 2, 5, 10, 100000, "0", "-1", str(values.LONG_MAX)))
        lists = {f: [self._path() for _ in range(self._random.randint(0, 3))] for f in fields}
        return [op, {"relative": relative, **lists}]

    def _multi(self) -> Request:
        makers = [(5, self._create), (3, self._delete), (3, self._set_data), (2, self._check)]
        if self._random.random() < 0.06:
            makers.append((4, self._multi_oddity))
        count = self._random.choice((0, 1, 2, 2, 3, 4, 6))
        ops = [self._pick(makers)() for _ in range(count)]
        # A null ACL list in a multi alone spends no zxid in the peer; in a create it does.
        return ["multi", {"ops": [op for op in ops if op[1].get("acl", []) is not None]}]

    def _check(self) -> Request:
        return ["check", {"path": self._path(), "version": self._version()}]

    def _multi_oddity(self) -> Request:
        """An operation that does not belong into a multi."""
        odd = self._random.choice((self._read, self._acl, self._multi, self._children))
        return odd()

    def _multi_read(self) -> Request:
        def read() -> Request:
            op = self._random.choice(("getData", "getChildren"))
            return [op, {"path": self._path(), "watch": self._watched()}]

        ops = [read() for _ in range(self._random.randint(0, 4))]
        if self._random.random() < 0.05:
            ops.append(self._set_data())
        return ["multiRead", {"ops": ops}]

    def _acl(self) -> Request:
        path = self._path()
        if self._random.random() < 0.5:
            return ["getACL", {"path": self._path_or_null()}]
        return ["setACL", {"path": path, "acl": self._acl_value(), "version": self._version()}]

    def _quota(self) -> Request:
        node = self._random.choice(values.QUOTA_ROOTS)
        leaf = self._random.choice(
            ("", "/zookeeper_limits", "/zookeeper_limits", "/zookeeper_stats")
        )
        data, path = self._random.choice(values.QUOTAS), node + leaf
        op = self._random.choice(("create", "create", "create", "setData", "getData", "delete"))
        if op == "create":
            return [op, {"path": path, "data": data, "acl": values.OPEN, "flags": 0}]
        if op == "setData":
            return [op, {"path": path, "data": data, "version": -1}]
        if op == "getData":
            return [op, {"path": path, "watch": self._watched()}]
        return [op, {"path": path, "version": -1}]

    def _odd(self) -> Request:
        op = self._random.choice(("ping", "sync", "whoAmI", "reconfig", "check", "sync"))
        if op == "sync":
            return [op, {"path": self._path()}]
        if op == "check":
            return self._check()
        if op == "reconfig":
            config = self._random.choice((-1, 0))
            return [op, {"joining": None, "leaving": "1", "members": None, "config": config}]
        return [op, {}]
