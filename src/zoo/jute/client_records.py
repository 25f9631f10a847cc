"""What clients and servers say to each other (jute module org.apache.zookeeper.proto).

The order of the fields is the order on the wire; names are zookeeper.jute's in Python spelling.
"""

from __future__ import annotations

from zoo.jute.records import ACL, ClientInfo, Stat
from zoo.jute.schema import (
    Boolean,
    Buffer,
    Int,
    Long,
    NullablePath,
    NullableText,
    Path,
    Text,
    Trailing,
    record,
)

# --- the session ----------------------------------------------------------------------------------


@record
class ConnectRequest:
    """The first frame of a connection. `read_only` is None from clients older than 3.4."""

    protocol_version: Int
    last_zxid_seen: Long
    timeout: Int  # ms
    session_id: Long
    passwd: Buffer
    read_only: Trailing = False


@record
class ConnectResponse:
    """The answer; `read_only` None (not written) for a client that did not send its own."""

    protocol_version: Int
    timeout: Int  # ms, as negotiated; 0 when the session is refused
    session_id: Long
    passwd: Buffer
    read_only: Trailing = False


@record
class RequestHeader:
    xid: Int
    type: Int


@record
class ReplyHeader:
    xid: Int
    zxid: Long
    err: Int


@record
class AuthPacket:
    type: Int
    scheme: Text
    auth: Buffer


@record
class GetSASLRequest:
    token: Buffer


@record
class SetSASLRequest:
    token: Buffer


@record
class SetSASLResponse:
    token: Buffer


@record
class WhoAmIResponse:
    client_info: list[ClientInfo]


# --- writes ---------------------------------------------------------------------------------------


@record
class CreateRequest:
    """Also the body of create2 and createContainer. `flags` is a CreateMode."""

    path: Path
    data: Buffer
    acl: list[ACL]
    flags: Int


@record
class CreateTTLRequest:
    path: Path
    data: Buffer
    acl: list[ACL]
    flags: Int
    ttl: Long  # ms


@record
class CreateResponse:
    path: Path


@record
class Create2Response:
    path: Path
    stat: Stat


@record
class DeleteRequest:
    path: Path
    version: Int


@record
class DeleteContainerRequest:
    """Not in zookeeper.jute: what a leader asks of itself."""

    path: Path


@record
class SetDataRequest:
    path: Path
    data: Buffer
    version: Int


@record
class SetDataResponse:
    stat: Stat


@record
class SetACLRequest:
    path: Path
    acl: list[ACL]
    version: Int


@record
class SetACLResponse:
    stat: Stat


@record
class CheckVersionRequest:
    path: Path
    version: Int


@record
class ReconfigRequest:
    joining_servers: NullableText
    leaving_servers: NullableText
    new_members: NullableText
    cur_config_id: Long


@record
class TransferLeaderRequest:
    """Not in ZooKeeper."""

    server: Long
    timeout: Int  # ms


@record
class TransferLeaderResponse:
    """Who leads; how long writes stood still; null, or why it is not the one that was asked for."""

    leader: Long
    held: Int  # ms
    reason: NullableText


@record
class SyncRequest:
    path: NullablePath


@record
class SyncResponse:
    path: Path


# --- reads ----------------------------------------------------------------------------------------


@record
class ExistsRequest:
    path: Path
    watch: Boolean


@record
class ExistsResponse:
    stat: Stat


@record
class GetDataRequest:
    path: Path
    watch: Boolean


@record
class GetDataResponse:
    data: Buffer
    stat: Stat


@record
class GetChildrenRequest:
    path: Path
    watch: Boolean


@record
class GetChildrenResponse:
    children: list[Path]


@record
class GetChildren2Request:
    path: Path
    watch: Boolean


@record
class GetChildren2Response:
    children: list[Path]
    stat: Stat


@record
class GetACLRequest:
    path: Path


@record
class GetACLResponse:
    acl: list[ACL]
    stat: Stat


@record
class GetEphemeralsRequest:
    prefix_path: NullablePath


@record
class GetEphemeralsResponse:
    ephemerals: list[Path]


@record
class GetAllChildrenNumberRequest:
    path: Path


@record
class GetAllChildrenNumberResponse:
    total_number: Int


@record
class GetMaxChildrenRequest:
    path: Path


@record
class GetMaxChildrenResponse:
    max: Int


@record
class SetMaxChildrenRequest:
    path: Path
    max: Int


# --- watches --------------------------------------------------------------------------------------


@record
class WatcherEvent:
    type: Int  # EventType
    state: Int  # KeeperState
    path: Path


@record
class SetWatches:
    relative_zxid: Long
    data_watches: list[Path]
    exist_watches: list[Path]
    child_watches: list[Path]


@record
class SetWatches2:
    relative_zxid: Long
    data_watches: list[Path]
    exist_watches: list[Path]
    child_watches: list[Path]
    persistent_watches: list[Path]
    persistent_recursive_watches: list[Path]


@record
class AddWatchRequest:
    path: Path
    mode: Int  # AddWatchMode


@record
class CheckWatchesRequest:
    path: Path
    type: Int  # WatcherType


@record
class RemoveWatchesRequest:
    path: Path
    type: Int  # WatcherType


# --- multi ----------------------------------------------------------------------------------------


@record
class MultiHeader:
    """Stands before every operation and result of a multi; zoo.jute.multi reads and writes them."""

    type: Int
    done: Boolean
    err: Int


@record
class ErrorResponse:
    """An error as a body: of a failed operation in a multi, and (with 0) of addWatch."""

    err: Int
