"""What reconfig asks for: from the members that there are to those that there shall be.

A request is either incremental, servers that join (or are to be listed otherwise) and numbers that
leave, or it lists the whole new configuration. What is refused, and in which order, is ZooKeeper's;
the reason, which the client is not told, goes to the log.
"""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from typing import Any, NoReturn, Protocol

from zoo.config import Config
from zoo.config_ensemble import (
    Ensemble,
    QuorumServer,
    is_loopback,
    parse_ensemble_text,
    parse_server,
)
from zoo.config_properties import ConfigError, Origin, Setting
from zoo.errors import Code, KeeperError
from zoo.zab.configurations import Configuration, configuration_of
from zoo.zab.quorum import QuorumVerifier

log = logging.getLogger(__name__)

_SOURCE = "the members that reconfig lists"
_WILDCARDS = ("0.0.0.0", "::", "")
_NO_VERSION = -1


class Reconfigurable(Protocol):
    """A leader, which orders changes of the configuration too."""

    @property
    def configuration(self) -> Configuration: ...

    @property
    def is_changing(self) -> bool: ...

    def has_in_step(self, quorum: QuorumVerifier) -> bool: ...

    def propose_configuration(
        self, zxid: int, entry: bytes, configuration: Configuration
    ) -> None: ...


class Policy:
    """What this server's own configuration says about changes."""

    def __init__(
        self,
        is_enabled: bool = False,
        standalone_enabled: bool = True,
        multi_address: bool = False,
    ) -> None:
        self.is_enabled = is_enabled
        self.least_voters = 2 if standalone_enabled else 1
        self.multi_address = multi_address


def policy_of(config: Config) -> Policy:
    return Policy(config.reconfig_enabled, config.standalone_enabled, config.multi_address_enabled)


def next_configuration(
    leader: Reconfigurable, policy: Policy, request: Any, zxid: int
) -> Configuration:
    """The configuration that a ReconfigRequest asks for, `zxid` its version. Raises KeeperError."""
    if leader.is_changing:
        raise KeeperError(Code.RECONFIGINPROGRESS)
    current = leader.configuration
    try:
        if request.cur_config_id not in (_NO_VERSION, current.version):
            held = f"version {current.version:x} holds, not {request.cur_config_id:x}"
            raise KeeperError(Code.BADVERSION, held)
        new = configuration_of(replace(requested(current.ensemble, request, policy), version=zxid))
        if not leader.has_in_step(new.quorum):
            why = f"no quorum of {new.quorum} is connected and in step"
            raise KeeperError(Code.NEWCONFIGNOQUORUM, why)
    except KeeperError as refusal:
        log.warning("reconfig refused: %s", refusal.detail)
        raise
    return new


def requested(current: Ensemble, request: Any, policy: Policy) -> Ensemble:
    """The members that a ReconfigRequest asks for where there are those of `current`. Raises
    KeeperError with the reason.
    """
    if request.new_members is not None:
        ensemble = _listed(request.new_members, policy)
    else:
        ensemble = _changed(current, request, policy)
    voters = len(ensemble.voters)
    if voters < policy.least_voters:
        _refuse(f"{voters} voters would be left, {policy.least_voters} are needed")
    return ensemble


def _listed(members: str, policy: Policy) -> Ensemble:
    try:
        ensemble = parse_ensemble_text(members.replace(",", "\n"), _SOURCE)
    except ConfigError as error:
        _refuse(str(error))
    for server in ensemble.servers.values():
        if len(server.addresses) > 1 and not policy.multi_address:
            _refuse(f"server.{server.id} has several addresses without multiAddress.enabled")
    return ensemble


def _changed(current: Ensemble, request: Any, policy: Policy) -> Ensemble:
    if current.groups or current.weights:
        _refuse("where voters have groups or weights, the whole new configuration must be listed")
    servers = dict(current.servers)
    for leaving in _parts(request.leaving_servers):
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", leaving):
            why = f"{leaving!r} shall leave, which is no number"
            raise KeeperError(Code.MARSHALLINGERROR, why)  # so Java answers
        servers.pop(int(leaving), None)
    for joining in _parts(request.joining_servers):
        server = _joining(joining, policy)
        for other in servers.values():
            if other.id != server.id and _addresses(server) & _addresses(other):
                _refuse(f"server.{server.id} has an address of server.{other.id}")
        servers.pop(server.id, None)
        servers[server.id] = server
    return Ensemble(servers)


def _parts(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _joining(text: str, policy: Policy) -> QuorumServer:
    key, *value = [part.strip() for part in text.split("=") if part.strip()]
    if len(value) != 1:
        _refuse(f"{text!r} is not of the form server.N=...")
    number = key.rpartition(".")[2]
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", number):
        raise KeeperError(Code.MARSHALLINGERROR, f"{key!r} names no server number")  # as above
    setting = Setting(f"server.{int(number)}", value[0], Origin(_SOURCE))
    try:
        server = parse_server(setting, policy.multi_address)
    except ConfigError as error:
        _refuse(str(error))
    if server.client is None:
        _refuse(f"{text!r} says no port for clients")
    return server


def _addresses(server: QuorumServer) -> set[tuple[str, int]]:
    """All that may not be another server's too; what means this machine only may."""
    pairs = {(each.host, each.quorum_port) for each in server.addresses}
    pairs |= {(each.host, each.election_port) for each in server.addresses}
    if server.client is not None:
        pairs.add(server.client)
    return {pair for pair in pairs if pair[0] not in _WILDCARDS and not is_loopback(pair[0])}


def _refuse(reason: str) -> NoReturn:
    raise KeeperError(Code.BADARGUMENTS, reason)
