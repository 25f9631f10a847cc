"""One server's half of a lockstep run: perform steps, read what comes back, make it comparable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.interop.differential.admin import Admin
from tests.interop.differential.generator import Step
from tests.interop.differential.view import View
from tests.interop.differential.wire import CLOSING, EVENT, OPERATIONS, Decoder, Encoder
from tests.interop.raw_client import (
    NOTIFICATION_XID,
    PING,
    PING_XID,
    REPLY_HEADER,
    Link,
    LinkClosed,
    Silence,
    connect_request,
    framed,
    header,
    parse_handshake,
)

Tamper = Callable[[bytes], bytes]
Outcome = dict[str, list[Any]]
CLOSED, SILENT = ("link closed",), ("no answer",)
BOGUS_SESSION = 0x1234567


@dataclass
class Slot:
    """A client: its link, if any, and the session it had last."""

    link: Link | None = None
    session_id: int = 0
    password: bytes = bytes(16)
    # Requests without a reply yet: operation, and the paths whose Stats the reply shows.
    waiting: list[tuple[str, list[Any]]] = field(default_factory=list)


class Side:
    """The clients of one server during one stream; `tamper` may alter frames (a mutation check)."""

    def __init__(self, address: tuple[str, int], tamper: Tamper | None = None) -> None:
        self._address = address
        self._tamper = tamper or bytes

    def begin(self, root: str, absolute: bool = False) -> None:
        """Before the first step: zxids, and unless `absolute` shared versions, count from here."""
        self._root = root
        self._xid = 0
        self.view = View()
        self._encoder = Encoder(root, self.view)
        self._slots: dict[int, Slot] = {}
        self._passwords: dict[int, bytes] = {}
        self._admin = Admin(self._address)
        self._shared = self._admin.shared()
        base = self._admin.last_zxid()
        counters = {} if absolute else {path: node.stat for path, node in self._shared.items()}
        self.view.begin(base, counters)
        self._admin.create(root)

    # -- one step: send(), then receive()

    def send(self, step: Step) -> None:
        slot = self._slots.setdefault(step["slot"], Slot())
        match step["do"]:
            case "connect":
                self._connect(slot, step)
            case "drop":
                self._hang_up(slot)
            case "raw" if slot.link:
                slot.link.send(bytes.fromhex(step["hex"]))
            case "send" if slot.link:
                slot.link.send(b"".join(self._frames(slot, step)))

    def receive(self, step: Step) -> list[Any]:
        """What the step's own link heard, up to its last reply."""
        slot = self._slots[step["slot"]]
        if step["do"] == "connect":
            return [self._guarded(slot, self._handshake)]
        heard: list[Any] = []
        closing = any(request[0] in CLOSING for request in step.get("requests", ()))
        while slot.link and (slot.waiting or (closing and step["do"] == "send")):
            heard.append(self._guarded(slot, self._frame))
        return heard

    # -- the barrier: a ping's reply comes after every event that came before it

    def ping_all(self) -> None:
        for slot in self._slots.values():
            if slot.link:
                slot.link.send(framed(header(PING_XID, PING)))
                slot.waiting.append(("ping", []))

    def collect(self) -> dict[str, list[Any]]:
        outcome: dict[str, list[Any]] = {}
        for number, slot in sorted(self._slots.items()):
            heard: list[Any] = []
            while slot.link and slot.waiting:
                heard.append(self._guarded(slot, self._frame))
            if heard:
                outcome[f"client {number}"] = heard
        return outcome

    # -- the end of the stream

    def session_count(self) -> int:
        return len(self._passwords)

    def reap(self, index: int) -> Any:
        """Re-attach to the index-th session of the stream and close it: the answers."""
        session_id = list(self._passwords)[index]
        slot = Slot(session_id=session_id, password=self._passwords[session_id])
        slot.link = Link(self._address)
        request = connect_request(session_id=session_id, password=slot.password)
        slot.link.send(framed(request))
        heard = [self._guarded(slot, self._handshake)]
        if slot.link and heard[0][3] != "none":
            self._xid += 1
            slot.link.send(framed(header(self._xid, OPERATIONS["close"].code)))
            slot.waiting.append(("close", []))
            while slot.link:
                heard.append(self._guarded(slot, self._frame))
        self._hang_up(slot)
        return heard

    def tree(self) -> dict[str, Any]:
        """The whole tree, comparable; kept for `end` to clear."""
        self._tree = self._admin.walk([b"/"])
        shown = {}
        for raw, node in self._tree.items():
            path = raw.decode(errors="surrogateescape").replace(self._root, "$R")
            shown[path] = (node.data, self.view.stat(node.stat, path), node.entries)
        return shown

    def end(self) -> None:
        self._admin.clear(self._tree, self._shared)
        self._admin.close()

    def abandon(self) -> None:
        """Hang up everywhere, whatever state the stream is in."""
        for slot in self._slots.values():
            self._hang_up(slot)

    # -- out

    def _connect(self, slot: Slot, step: Step) -> None:
        session_id, right = self._session_of(step["of"])
        self._hang_up(slot)
        if step["password"] != "right":
            self._hang_up_session(session_id)
        password = {
            "right": right,
            "wrong": bytes(15) + b"!",
            "zeros": bytes(16),
            "short": b"short",
            "empty": b"",
            "none": None,
        }[step["password"]]
        request = connect_request(
            timeout_ms=step["timeout"],
            session_id=session_id,
            password=password,
            last_zxid_seen=self.view.real_zxid(step["seen"]),
            protocol=step["protocol"],
            read_only=step["readonly"],
        )
        slot.link = Link(self._address)
        slot.link.send(framed(request))

    def _session_of(self, of: int | str | None) -> tuple[int, bytes]:
        """The session to attach to: a client's last, one that never was, or a new one."""
        if of == "bogus":
            return BOGUS_SESSION, bytes(16)
        known = self._slots.get(of, Slot()) if isinstance(of, int) else Slot()
        return known.session_id, known.password

    def _hang_up_session(self, session_id: int) -> None:
        """Before an attempt with a wrong password: the session's own client hangs up.

        The peer cuts that link before it looks at the password, so that anybody can cut anybody
        off; ours looks first. With no link there, both do the same.
        """
        for slot in self._slots.values():
            if session_id and slot.session_id == session_id:
                self._hang_up(slot)

    def _frames(self, slot: Slot, step: Step) -> list[bytes]:
        frames = []
        for op, args, *mangle in step["requests"]:
            self._xid += 1
            body = self._encoder.body(op, args)
            if mangle:
                body = _mangled(body, mangle[0])
            xid = PING_XID if op == "ping" else self._xid
            frames.append(framed(header(xid, OPERATIONS[op].code) + body))
            slot.waiting.append((op, _paths(op, args)))
        return frames

    # -- in

    def _guarded(self, slot: Slot, read: Callable[[Slot], Any]) -> Any:
        try:
            return read(slot)
        except (LinkClosed, Silence) as failure:
            self._hang_up(slot)
            return CLOSED if isinstance(failure, LinkClosed) else SILENT

    def _hang_up(self, slot: Slot) -> None:
        slot.waiting.clear()
        if slot.link:
            slot.link.close()
            slot.link = None

    def _handshake(self, slot: Slot) -> Any:
        assert slot.link is not None
        answer = parse_handshake(self._tamper(slot.link.receive()))
        before = self._passwords.get(answer.session_id)
        password = "of another length"
        if answer.password is not None and len(answer.password) == 16:
            password = "zeros" if answer.password == bytes(16) else "as given before"
            if before is None and answer.session_id:
                password = "new"
            elif answer.session_id and before != answer.password:
                password = "changed"
        if answer.session_id:
            slot.session_id, slot.password = answer.session_id, answer.password or b""
            self._passwords.setdefault(answer.session_id, slot.password)
        name = self.view.session(answer.session_id)
        rest = answer.trailing.hex()
        return (
            "connected",
            answer.protocol,
            answer.timeout_ms,
            name,
            password,
            answer.read_only,
            rest,
        )

    def _frame(self, slot: Slot) -> Any:
        assert slot.link is not None
        frame = self._tamper(slot.link.receive())
        if len(frame) < REPLY_HEADER.size:
            return ("short frame", frame.hex())
        xid, zxid, error = REPLY_HEADER.unpack_from(frame)
        body = frame[REPLY_HEADER.size :]
        if xid == NOTIFICATION_XID:
            fields = Decoder(body, self._root, self.view).record(EVENT)
            return ("event", self.view.zxid(zxid), error, fields)
        if not slot.waiting:
            return ("reply to nothing", xid, zxid, error, body.hex())
        op, paths = slot.waiting.pop(0)
        fields = {}
        # What the peer has read before it finds a write in a multiRead, it leaves in the reply.
        if (body and op != "multiRead") or not error:
            fields = Decoder(body, self._root, self.view, paths).record(OPERATIONS[op].reply)
        return ("reply", op, xid, self.view.zxid(zxid), error, fields)


def _paths(op: str, args: dict[str, Any]) -> list[Any]:
    """Whose Stats a reply shows: a path, or one for each operation of a multi.

    None for creates: the name may get a number, and the node is a new one.
    """
    pairs = args.get("ops", [(op, args)])
    return [None if name.startswith("create") else sub.get("path") for name, sub in pairs]


def _mangled(body: bytes, mangle: dict[str, Any]) -> bytes:
    if "cut" in mangle:
        return body[: mangle["cut"]]
    if "tail" in mangle:
        return body + bytes.fromhex(mangle["tail"])
    at, value = mangle["poke"]
    return body[:at] + bytes([value]) + body[at + 1 :]
