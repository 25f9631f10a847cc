"""The eighteen four-letter words: the text an operator, a probe or an exporter gets from the
client port.

Theory of operation. Each word is a pure function of a `ServerView` (what the words may see of a
server) and the time; the connection sends the answer and closes. Layout and key names are
ZooKeeper's to the character, because telegraf, the OpenTelemetry and Datadog agents, zkServer.sh
and many scripts parse them with regular expressions. Where Java prints a number in its own
notation (1.0E7) we print a plain decimal, which the same parsers read.

Cost: ruok, isro, srvr, mntr, conf, dirs, gtmk, wchs are O(1) or nearly so; stat, cons and crst
walk all connections; dump, wchc and wchp walk all sessions or watches and stop the server
meanwhile, so they are off unless whitelisted.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta

from zoo.server.gauges import monitor_values
from zoo.server.stats import ConnectionStats
from zoo.server.view import ServerView

COMPATIBLE_WITH = "3.9.5"
BUILT_ON = "2026-11-21 00:00 UTC"
NOT_SERVING = "This ZooKeeper instance is not currently serving requests\n"
READ_ONLY_MODE = "read-only"
STMK_SIZE = 12
"""stmk is followed by its argument, an int64."""

_INT64 = struct.Struct(">q")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def full_version(zoo_version: str, built_on: str = BUILT_ON) -> str:
    """What Zoo calls itself in srvr, stat, mntr and envi.

    Parsers expect `x.y.z-revision, built on date`: Datadog and aiozk compare the three numbers to
    decide what a server can do, kazoo reads digits and dots up to the first other character,
    go-zookeeper allows letters, digits, dots and dashes. So the numbers are those of the ZooKeeper
    whose behaviour we have, and the revision says who we are.
    """
    return f"{COMPATIBLE_WITH}-zoo-{zoo_version}, built on {built_on}"


# --- the words


def _conf(view: ServerView, now_ms: int) -> str:
    conf, facts = view.conf(), view.ensemble(now_ms)
    moved = None if facts is None else facts.client_port
    told = _pairs(
        (
            ("clientPort", moved or conf.client_port),
            ("secureClientPort", conf.secure_client_port),
            ("dataDir", conf.data_dir),
            ("dataDirSize", view.data_dir_size()),
            ("dataLogDir", conf.data_log_dir),
            ("dataLogSize", view.log_dir_size()),
            ("tickTime", conf.tick_time),
            ("maxClientCnxns", conf.max_client_cnxns),
            ("minSessionTimeout", conf.min_session_timeout),
            ("maxSessionTimeout", conf.max_session_timeout),
            ("clientPortListenBacklog", conf.client_port_listen_backlog),
            ("serverId", conf.server_id if facts is None else facts.my_id),
        )
    )
    # ZooKeeper ends the last line, the configuration's version, without a newline.
    return told if facts is None else f"{told}{_pairs(facts.conf)}membership: \n{facts.membership}"


def _cons(view: ServerView, now_ms: int) -> str:
    lines = [_connection(c, view.wall_offset_ms, brief=False) for c in view.connections()]
    return "".join(lines) + "\n"


def _crst(view: ServerView, now_ms: int) -> str:
    for connection in view.connections():
        connection.reset()
    return "Connection stats reset.\n"


def _dirs(view: ServerView, now_ms: int) -> str:
    return f"datadir_size: {view.data_dir_size()}\nlogdir_size: {view.log_dir_size()}\n"


def _dump(view: ServerView, now_ms: int) -> str:
    out = ["SessionTracker dump:\n"]
    facts = view.ensemble(now_ms)
    if facts is None or facts.leader is not None:
        sessions = {when: [_hex(sid) for sid in ids] for when, ids in view.session_expiry().items()}
        out += _expiry("Session", sessions, view.wall_offset_ms)
    else:  # only the leader knows when they end
        known = sorted(view.global_sessions())
        out.append(f"Global Sessions({len(known)}):\n")
        out += [f"{_hex(session_id)}\t{timeout}ms\n" for session_id, timeout in known]
    ephemerals = view.ephemerals()
    out.append(f"ephemeral nodes dump:\nSessions with Ephemerals ({len(ephemerals)}):\n")
    for session_id, paths in ephemerals.items():
        out.append(f"{_hex(session_id)}:\n")
        out += [f"\t{_text(path)}\n" for path in paths]
    out.append("Connections dump:\n")
    connections = {
        when: [f"ip: /{c.address} sessionId: {_hex(c.session_id)}" for c in group]
        for when, group in view.connection_expiry().items()
    }
    out += _expiry("Connections", connections, view.wall_offset_ms)
    return "".join(out)


def _envi(view: ServerView, now_ms: int) -> str:
    return "Environment:\n" + _pairs((("zookeeper.version", view.version), *view.environment()))


def _gtmk(view: ServerView, now_ms: int) -> str:
    return str(view.trace_mask)


def _hash(view: ServerView, now_ms: int) -> str:
    return "".join(f"{zxid:x}: {digest}\n" for zxid, digest in view.digest_log())


def _isro(view: ServerView, now_ms: int) -> str:
    if not view.is_serving:
        return "null"
    return "ro" if view.mode == READ_ONLY_MODE else "rw"


def _mntr(view: ServerView, now_ms: int) -> str:
    return "".join(f"zk_{key}\t{value}\n" for key, value in monitor_values(view, now_ms).items())


def _ruok(view: ServerView, now_ms: int) -> str:
    return "imok"


def _srst(view: ServerView, now_ms: int) -> str:
    view.stats.reset()
    return "Server stats reset.\n"


def _srvr(view: ServerView, now_ms: int) -> str:
    return _version_lines(view) + _totals(view) + _proposal_sizes(view, now_ms)


def _stat(view: ServerView, now_ms: int) -> str:
    clients = [_connection(c, view.wall_offset_ms, brief=True) for c in view.connections()]
    totals = _totals(view) + _proposal_sizes(view, now_ms)
    return f"{_version_lines(view)}Clients:\n{''.join(clients)}\n{totals}"


def _wchc(view: ServerView, now_ms: int) -> str:
    return view.wchc() + "\n"


def _wchp(view: ServerView, now_ms: int) -> str:
    return view.wchp() + "\n"


def _wchs(view: ServerView, now_ms: int) -> str:
    return view.wchs() + "\n"


_COMMANDS: dict[bytes, Callable[[ServerView, int], str]] = {
    b"conf": _conf,
    b"cons": _cons,
    b"crst": _crst,
    b"dirs": _dirs,
    b"dump": _dump,
    b"envi": _envi,
    b"gtmk": _gtmk,
    b"hash": _hash,
    b"isro": _isro,
    b"mntr": _mntr,
    b"ruok": _ruok,
    b"srst": _srst,
    b"srvr": _srvr,
    b"stat": _stat,
    b"wchc": _wchc,
    b"wchp": _wchp,
    b"wchs": _wchs,
}
STMK = b"stmk"
WORDS: frozenset[bytes] = frozenset(_COMMANDS) | {STMK}
"""All eighteen."""
_ALWAYS_ANSWERED = frozenset((b"envi", b"gtmk", b"isro", b"ruok"))
"""Words that say something even while the server is not serving."""


# --- dispatch


def answer(first: bytes, view: ServerView, whitelist: Collection[str], now_ms: int) -> bytes:
    """The whole answer to a word. `first` is what the connection began with, as `hello.classify`
    judged it: ``first[:4]`` is in `WORDS`, and stmk has its eight bytes of argument. The caller
    sends and closes."""
    word = first[:4]
    name = word.decode("ascii")
    if name not in whitelist:
        return f"{name} is not executed because it is not in the whitelist.\n".encode()
    if word == STMK:
        (view.trace_mask,) = _INT64.unpack_from(first, 4)
        return b"%d" % view.trace_mask
    if not view.is_serving and word not in _ALWAYS_ANSWERED:
        # The Java server ends this sentence without a newline in hash alone; nobody can depend on
        # that.
        return NOT_SERVING.encode()
    return _COMMANDS[word](view, now_ms).encode()


# --- pieces of layout


def _version_lines(view: ServerView) -> str:
    read_only = view.mode == READ_ONLY_MODE
    note = "READ-ONLY mode; serving only read-only clients\n" if read_only else ""
    return f"Zookeeper version: {view.version}\n{note}"


def _totals(view: ServerView) -> str:
    stats = view.stats
    latency = stats.latency
    return (
        f"Latency min/avg/max: {latency.min}/{latency.avg}/{latency.max}\n"
        f"Received: {stats.packets_received}\n"
        f"Sent: {stats.packets_sent}\n"
        f"Connections: {len(view.connections())}\n"
        f"Outstanding: {stats.outstanding_requests}\n"
        f"Zxid: {_hex(view.last_zxid())}\n"
        f"Mode: {view.mode}\n"
        f"Node count: {view.znode_count()}\n"
    )


def _proposal_sizes(view: ServerView, now_ms: int) -> str:
    facts = view.ensemble(now_ms)
    if facts is None or facts.leader is None:
        return ""
    *_, last, smallest, largest = facts.leader
    return f"Proposal sizes last/min/max: {last}/{smallest}/{largest}\n"


def _connection(c: ConnectionStats, wall_offset_ms: int, brief: bool) -> str:
    """One line of stat (`brief`) or cons; a connection without a session has the brief form in
    both."""
    head = f" /{c.address}[{c.interest_ops:x}](queued={c.outstanding}"
    fields = [head, f"recved={c.packets_received}", f"sent={c.packets_sent}"]
    if not brief and c.session_id != 0:
        fields += [
            f"sid={_hex(c.session_id)}",
            f"lop={c.last_operation}",
            f"est={c.established_ms + wall_offset_ms}",
            f"to={c.session_timeout_ms}",
        ]
        if c.last_cxid >= 0:
            fields.append(f"lcxid={_hex(c.last_cxid)}")
        fields += [
            f"lzxid={_hex(c.last_zxid)}",
            f"lresp={c.last_response_ms}",
            f"llat={c.last_latency}",
            f"minlat={c.latency.min}",
            # A whole number here, unlike in srvr: so prints Java.
            f"avglat={c.latency.total // c.latency.count if c.latency.count else 0}",
            f"maxlat={c.latency.max}",
        ]
    return ",".join(fields) + ")\n"


def _expiry(what: str, groups: Mapping[int, Collection[str]], wall_offset_ms: int) -> list[str]:
    members = sum(len(group) for group in groups.values())
    out = [f"{what} Sets ({len(groups)})/({members}):\n"]
    for when in sorted(groups):
        out.append(f"{len(groups[when])} expire at {_date(when + wall_offset_ms)}:\n")
        out += [f"\t{member}\n" for member in groups[when]]
    return out


def _date(unix_ms: int) -> str:
    """As java.util.Date prints it, always in UTC. strftime would follow the locale."""
    d = _EPOCH + timedelta(milliseconds=unix_ms)
    return f"{_DAYS[d.weekday()]} {_MONTHS[d.month - 1]} {d:%d %H:%M:%S} UTC {d.year}"


def _pairs(pairs: Iterable[tuple[str, object]]) -> str:
    return "".join(f"{key}={value}\n" for key, value in pairs)


def _hex(number: int) -> str:
    return f"0x{number & 0xFFFFFFFFFFFFFFFF:x}"


def _text(path: bytes) -> str:
    return path.decode("utf-8", "replace")
