"""The one table of operations: everything that has to know what an operation is indexes it.

`is_write` means: becomes a txn (or is refused) by the leader. `permission` is what the ACL must
grant on the znode, or on its parent when `on_parent`; of several bits any one suffices.
A body of None is an empty body, except for multi and multiRead, whose bodies zoo.jute.multi reads.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

from zoo.jute import client_records as c
from zoo.jute import txn_records as t
from zoo.jute.constants import Perms


class Op(IntEnum):
    """Operation numbers, on the wire and in the log."""

    notification = 0
    create = 1
    delete = 2
    exists = 3
    getData = 4
    setData = 5
    getACL = 6
    setACL = 7
    getChildren = 8
    sync = 9
    ping = 11
    getChildren2 = 12
    check = 13
    multi = 14
    create2 = 15
    reconfig = 16
    checkWatches = 17
    removeWatches = 18
    createContainer = 19
    deleteContainer = 20
    createTTL = 21
    multiRead = 22
    auth = 100
    setWatches = 101
    sasl = 102
    getEphemerals = 103
    getAllChildrenNumber = 104
    setWatches2 = 105
    addWatch = 106
    whoAmI = 107
    transferLeader = 10001  # none of ZooKeeper's, which calls it unimplemented
    createSession = -10
    closeSession = -11
    error = -1


class Operation(NamedTuple):
    """One row. `txn` is the record the log holds for this operation number."""

    op: Op
    is_write: bool = False
    request: type[Any] | None = None
    reply: type[Any] | None = None
    permission: int = 0
    on_parent: bool = False
    txn: type[Any] | None = None
    allowed_in_multi: bool = False  # in multi when is_write, else in multiRead
    client_may_send: bool = True  # as a request of its own

    @property
    def name(self) -> str:
        return self.op.name


READ, WRITE = Perms.READ, Perms.WRITE
CREATE, DELETE, ADMIN = Perms.CREATE, Perms.DELETE, Perms.ADMIN
CREATE2 = c.Create2Response

_ROWS = (
    Operation(Op.create, True, c.CreateRequest, c.CreateResponse, CREATE, True, t.CreateTxn, True),
    Operation(Op.create2, True, c.CreateRequest, CREATE2, CREATE, True, t.CreateTxn, True),
    Operation(Op.createTTL, True, c.CreateTTLRequest, CREATE2, CREATE, True, t.CreateTTLTxn, True),
    Operation(
        Op.createContainer, True, c.CreateRequest, CREATE2, CREATE, True, t.CreateContainerTxn, True
    ),
    Operation(Op.delete, True, c.DeleteRequest, None, DELETE, True, t.DeleteTxn, True),
    # Sent by the leader to itself when a container or TTL node has had its time. Java takes it from
    # anybody, without a look at the ACL; no client library sends it, so neither do we accept it.
    Operation(
        Op.deleteContainer, True, c.DeleteContainerRequest, txn=t.DeleteTxn, client_may_send=False
    ),
    Operation(
        Op.setData, True, c.SetDataRequest, c.SetDataResponse, WRITE, False, t.SetDataTxn, True
    ),
    Operation(Op.setACL, True, c.SetACLRequest, c.SetACLResponse, ADMIN, False, t.SetACLTxn),
    Operation(
        Op.check, True, c.CheckVersionRequest, None, READ, False, t.CheckVersionTxn, True, False
    ),
    Operation(Op.multi, True, txn=t.MultiTxn),
    # The permission is on /zookeeper/config, whose new content the txn is.
    Operation(Op.reconfig, True, c.ReconfigRequest, c.GetDataResponse, WRITE, txn=t.SetDataTxn),
    Operation(Op.createSession, True, txn=t.CreateSessionTxn, client_may_send=False),
    Operation(Op.closeSession, True, txn=t.CloseSessionTxn),
    Operation(Op.error, True, txn=t.ErrorTxn, reply=c.ErrorResponse, client_may_send=False),
    Operation(Op.exists, False, c.ExistsRequest, c.ExistsResponse, READ),
    Operation(Op.getData, False, c.GetDataRequest, c.GetDataResponse, READ, allowed_in_multi=True),
    Operation(
        Op.getChildren,
        False,
        c.GetChildrenRequest,
        c.GetChildrenResponse,
        READ,
        allowed_in_multi=True,
    ),
    Operation(Op.getChildren2, False, c.GetChildren2Request, c.GetChildren2Response, READ),
    Operation(Op.getACL, False, c.GetACLRequest, c.GetACLResponse, READ | ADMIN),
    Operation(
        Op.getAllChildrenNumber,
        False,
        c.GetAllChildrenNumberRequest,
        c.GetAllChildrenNumberResponse,
        READ,
    ),
    Operation(Op.getEphemerals, False, c.GetEphemeralsRequest, c.GetEphemeralsResponse),
    Operation(Op.multiRead),
    Operation(Op.sync, False, c.SyncRequest, c.SyncResponse),
    Operation(Op.ping),
    Operation(Op.whoAmI, reply=c.WhoAmIResponse),
    # The permission is on /zookeeper/config, as for reconfig.
    Operation(Op.transferLeader, False, c.TransferLeaderRequest, c.TransferLeaderResponse, WRITE),
    Operation(Op.setWatches, False, c.SetWatches),
    Operation(Op.setWatches2, False, c.SetWatches2),
    Operation(Op.addWatch, False, c.AddWatchRequest, c.ErrorResponse),
    Operation(Op.checkWatches, False, c.CheckWatchesRequest),
    Operation(Op.removeWatches, False, c.RemoveWatchesRequest),
    Operation(Op.auth, False, c.AuthPacket),
    Operation(Op.sasl, False, c.GetSASLRequest, c.SetSASLResponse),
    Operation(Op.notification, reply=c.WatcherEvent, client_may_send=False),
)

OPERATIONS: dict[int, Operation] = {int(row.op): row for row in _ROWS}
CLIENT_WRITES = frozenset(
    int(row.op)
    for row in _ROWS
    if row.is_write and row.client_may_send and row.op != Op.closeSession
)
"""What a client may send that becomes a transaction; closeSession, which ends it all, apart."""


def name_of(number: int) -> str:
    """ZooKeeper's name of an operation number, for logs; also of one nobody knows."""
    row = OPERATIONS.get(number)
    return f"unknown {number}" if row is None else row.name
