"""The members of an ensemble as zoo.cfg or a dynamic configuration file lists them.

Theory of operation. ``server.N`` lines become QuorumServer values, ``group.G`` and ``weight.N``
lines the groups of a hierarchical quorum; together with the version they are one Ensemble, which
checks as a whole what ZooKeeper checks: every voter in a group if there are groups, no observers
without voters. The version of a dynamic file is the hexadecimal end of its name
(zoo.cfg.dynamic.100000000) and never stands inside.

`Ensemble.text` is the form in which members tell each other their configuration (notifications,
NEWLEADER) and in which clients read it (/zookeeper/config); `parse_ensemble_text` is the way back.
A client address that comes from clientPort in zoo.cfg does not stand in it, only one that stands in
the server line: so it is with ZooKeeper.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from zoo.config_properties import ConfigError, Origin, Setting, parse_properties
from zoo.config_values import LONG_MAX, parse_int

PARTICIPANT = "participant"
OBSERVER = "observer"
FORM = (
    "must have the form host:quorumPort:electionPort[:participant|observer], with |-separated "
    "alternatives, and optionally ;clientPort or ;clientHost:clientPort"
)
_MEMBER_KEY = re.compile(r"(server\.|group\.?|weight\.?)")
_VERSION = re.compile(r".*\.([0-9a-fA-F]+)")


@dataclass(frozen=True, slots=True)
class PeerAddress:
    """Where a member is reached: one host (name or literal, no brackets) and its two ports."""

    host: str
    quorum_port: int
    election_port: int


@dataclass(frozen=True, slots=True)
class QuorumServer:
    """One member. ``client`` is its (host, port) for clients, or None if its own zoo.cfg says."""

    id: int
    addresses: tuple[PeerAddress, ...]
    role: str = PARTICIPANT
    client: tuple[str, int] | None = None

    def __str__(self) -> str:
        """The value of its server line in the form ZooKeeper itself writes."""
        ordered = sorted(self.addresses, key=lambda address: java_host(address.host))
        peers = "|".join(f"{_host(a.host)}:{a.quorum_port}:{a.election_port}" for a in ordered)
        client = f";{_host(self.client[0])}:{self.client[1]}" if self.client else ""
        return f"{peers}:{self.role}{client}"


@dataclass(frozen=True, slots=True)
class Ensemble:
    """All members by id. ``groups`` (voter -> group) and ``weights`` are empty for a majority."""

    servers: Mapping[int, QuorumServer]
    groups: Mapping[int, int] = field(default_factory=dict)
    weights: Mapping[int, int] = field(default_factory=dict)
    version: int = 0

    @property
    def voters(self) -> list[QuorumServer]:
        return [server for server in self.servers.values() if server.role == PARTICIPANT]

    @property
    def observers(self) -> list[QuorumServer]:
        return [server for server in self.servers.values() if server.role == OBSERVER]

    def text(self) -> str:
        """The configuration as ZooKeeper writes it, without an end of line."""
        order = java_order(self.servers)
        lines = [f"server.{sid}={self.servers[sid]}" for sid in order]
        members: dict[int, list[str]] = {}
        for sid in java_order(self.groups):
            members.setdefault(self.groups[sid], []).append(str(sid))
        lines += [f"group.{gid}={':'.join(members[gid])}" for gid in java_order(members)]
        lines += [f"weight.{sid}={self.weights[sid]}" for sid in java_order(self.weights)]
        return "\n".join([*lines, f"version={self.version & _LONG:x}"])


_LONG = (1 << 64) - 1


def java_order(keys: Iterable[int]) -> list[int]:
    """The order in which a Java HashMap of these numbers is walked. Numbers that share a bucket
    (1 and 17, say) stay as they come; Java's order of those depends on how its map was filled.
    """
    keys = list(keys)
    size = 16
    while len(keys) > size * 3 // 4:
        size *= 2

    def bucket(key: int) -> int:
        key &= _LONG
        value = (key ^ key >> 32) & 0xFFFFFFFF
        return (value ^ value >> 16) & (size - 1)

    return sorted(keys, key=bucket)


def _host(host: str) -> str:
    """As Java writes it: IPv6 literals without abbreviation and in brackets."""
    host = java_host(host)
    return f"[{host}]" if ":" in host else host


def java_host(host: str) -> str:
    if ":" not in host:
        return host
    try:
        address = ipaddress.IPv6Address(host.partition("%")[0])
    except ValueError:
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    packed = address.packed
    return ":".join(f"{packed[i] << 8 | packed[i + 1]:x}" for i in range(0, 16, 2))


def is_loopback(host: str) -> bool:
    """Of a name other than localhost nothing is known."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def split_address(text: str) -> list[str]:
    """``host:port...`` into its parts, an IPv6 host in brackets as one. ValueError if torn."""
    if not text.startswith("["):
        return text.split(":")
    host, bracket, rest = text[1:].partition("]")
    if not bracket or (rest and not rest.startswith(":")):
        raise ValueError(text)
    return [host, *rest[1:].split(":")] if rest else [host]


def _port(text: str) -> int:
    port = parse_int(text.strip())
    if not 0 < port < 65536:
        raise ValueError(text)
    return port


def _peer(text: str) -> tuple[PeerAddress, str | None]:
    host, quorum, election, *role = split_address(text.strip())
    if not host or len(role) > 1:
        raise ValueError(text)
    kind = role[0].strip().lower() if role else None
    if kind not in (None, PARTICIPANT, OBSERVER):
        raise ValueError(text)
    return PeerAddress(host, _port(quorum), _port(election)), kind


def parse_server(setting: Setting, multi_address: bool = False) -> QuorumServer:
    """The member of a ``server.N`` setting. Raises ConfigError."""

    def wrong(problem: str) -> ConfigError:
        return ConfigError(setting.origin, setting.key, setting.value, problem)

    sid = member_number(setting)
    listed, semicolon, client_text = setting.value.partition(";")
    try:
        peers = [_peer(part) for part in listed.split("|")]
        client = None
        if semicolon:
            *host, port = split_address(client_text.strip())
            if len(host) > 1 or host == [""]:
                raise ValueError(client_text)
            client = (host[0] if host else "0.0.0.0", _port(port))
    except ValueError:
        raise wrong(FORM) from None
    if len(peers) > 1 and not multi_address:
        raise wrong("several addresses need multiAddress.enabled=true")
    if any(address.quorum_port == address.election_port for address, _ in peers):
        raise wrong("quorum port and election port must differ")
    roles = {role for _, role in peers if role is not None}
    if len(roles) > 1:
        raise wrong("all addresses of one server must have the same role")
    return QuorumServer(
        sid, tuple(a for a, _ in peers), roles.pop() if roles else PARTICIPANT, client
    )


def member_number(setting: Setting) -> int:
    """N of ``server.N``, ``group.N`` or ``weight.N``. Raises ConfigError."""
    number = setting.key.rpartition(".")[2]
    if not re.fullmatch(r"-?[0-9]+", number) or abs(int(number)) > LONG_MAX:
        name = setting.key.partition(".")[0]
        raise ConfigError(setting.origin, setting.key, setting.value, f"must be {name}.<number>")
    return int(number)


def is_member_key(key: str) -> bool:
    """True for the keys that belong into a dynamic configuration file."""
    return _MEMBER_KEY.match(key) is not None


def file_version(name: str) -> int:
    """Version of a dynamic configuration file from its name; 0 if it has none."""
    match = _VERSION.fullmatch(name)
    return int(match[1], 16) if match else 0


def _parse_group(setting: Setting, groups: dict[int, int]) -> None:
    gid = member_number(setting)
    for part in setting.value.split(":"):
        if not re.fullmatch(r"-?[0-9]+", part):
            raise ConfigError(
                setting.origin,
                setting.key,
                setting.value,
                "must be server numbers separated by ':'",
            )
        if int(part) in groups:
            raise ConfigError(
                setting.origin, setting.key, setting.value, f"server {part} is in two groups"
            )
        groups[int(part)] = gid


def _parse_weight(setting: Setting) -> int:
    if not re.fullmatch(r"[0-9]+", setting.value):
        raise ConfigError(
            setting.origin, setting.key, setting.value, "must be an integer of 0 or more"
        )
    return int(setting.value)


def parse_ensemble(
    settings: Iterable[Setting], multi_address: bool = False, version: int = 0
) -> Ensemble:
    """The ensemble of all server, group and weight settings, others skipped. Raises ConfigError."""
    servers: dict[int, QuorumServer] = {}
    groups: dict[int, int] = {}
    weights: dict[int, int] = {}
    places: dict[int, Setting] = {}
    for setting in settings:
        if setting.key.startswith("server."):
            server = parse_server(setting, multi_address)
            servers[server.id] = server
            places[server.id] = setting
        elif setting.key.startswith("group"):
            _parse_group(setting, groups)
        elif setting.key.startswith("weight"):
            weights[member_number(setting)] = _parse_weight(setting)
    ensemble = Ensemble(servers, groups, weights, version)
    _check(ensemble, places)
    if not (groups or weights):
        return ensemble
    voters = {server.id for server in ensemble.voters}
    for sid in java_order(servers):
        if sid in voters:
            weights.setdefault(sid, 1)
    return Ensemble(servers, groups, weights, version)


def parse_ensemble_text(text: str, source: str = "configuration") -> Ensemble:
    """The ensemble of what `Ensemble.text` or a ZooKeeper server wrote. Raises ConfigError."""
    latest: dict[str, Setting] = {}
    version = 0
    for setting in parse_properties(text, source):
        if setting.key == "version":
            version = _parse_version(setting)
        elif is_member_key(setting.key):
            latest[setting.key] = setting
        else:
            raise ConfigError(
                setting.origin, setting.key, setting.value, "does not belong into a configuration"
            )
    if not latest:
        raise ConfigError(Origin(source), "server", None, "lists no member")
    return parse_ensemble(latest.values(), True, version)


def _parse_version(setting: Setting) -> int:
    if not re.fullmatch(r"[0-9a-fA-F]{1,16}", setting.value):
        raise ConfigError(setting.origin, setting.key, setting.value, "must be hexadecimal")
    version = int(setting.value, 16)
    return version - (1 << 64) if version >> 63 else version


def _check(ensemble: Ensemble, places: Mapping[int, Setting]) -> None:
    if ensemble.observers and not ensemble.voters:
        place = places[ensemble.observers[0].id]
        raise ConfigError(
            place.origin, place.key, place.value, "observers need at least one participant"
        )
    if not (ensemble.groups or ensemble.weights):
        return
    for server in ensemble.voters:
        if server.id not in ensemble.groups:
            place = places[server.id]
            raise ConfigError(
                place.origin, place.key, place.value, "is in no group, though groups are in use"
            )
