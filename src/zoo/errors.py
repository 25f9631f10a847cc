"""The three kinds of trouble, and ZooKeeper's table of error codes.

- `KeeperError`: the request was understood and refused; the code goes back to the client.
- `ProtocolViolation`: the other side broke the wire format or its rules; drop the link, log a line.
- `AssertionError`: we are wrong; stop.

Anything else that escapes from the core is a bug.
"""

from __future__ import annotations

from enum import IntEnum


class Code(IntEnum):
    """Every code a reply header, an ErrorResponse or an ErrorTxn can carry."""

    OK = 0
    SYSTEMERROR = -1
    RUNTIMEINCONSISTENCY = -2
    DATAINCONSISTENCY = -3
    CONNECTIONLOSS = -4
    MARSHALLINGERROR = -5
    UNIMPLEMENTED = -6
    OPERATIONTIMEOUT = -7
    BADARGUMENTS = -8
    UNKNOWNSESSION = -12
    NEWCONFIGNOQUORUM = -13
    RECONFIGINPROGRESS = -14
    APIERROR = -100
    NONODE = -101
    NOAUTH = -102
    BADVERSION = -103
    NOCHILDRENFOREPHEMERALS = -108
    NODEEXISTS = -110
    NOTEMPTY = -111
    SESSIONEXPIRED = -112
    INVALIDCALLBACK = -113
    INVALIDACL = -114
    AUTHFAILED = -115
    SESSIONMOVED = -118
    NOTREADONLY = -119
    EPHEMERALONLOCALSESSION = -120
    NOWATCHER = -121
    REQUESTTIMEOUT = -122
    RECONFIGDISABLED = -123
    SESSIONCLOSEDREQUIRESASLAUTH = -124
    QUOTAEXCEEDED = -125
    THROTTLEDOP = -127


SENTENCES: dict[Code, str] = {
    Code.OK: "The request succeeded.",
    Code.SYSTEMERROR: "The server failed in a way that is not the request's fault.",
    Code.RUNTIMEINCONSISTENCY: "The server found its own state contradictory while it worked.",
    Code.DATAINCONSISTENCY: "The stored data contradicts itself.",
    Code.CONNECTIONLOSS: "The connection broke before the outcome of the request was known.",
    Code.MARSHALLINGERROR: "The body of the request or of the reply could not be decoded.",
    Code.UNIMPLEMENTED: "The server does not know this operation.",
    Code.OPERATIONTIMEOUT: "The operation took longer than it was allowed to.",
    Code.BADARGUMENTS: "An argument of the request is not valid.",
    Code.UNKNOWNSESSION: "The server has no session with this id.",
    Code.NEWCONFIGNOQUORUM: "Too few members of the new configuration are connected and in sync.",
    Code.RECONFIGINPROGRESS: "Another change of the ensemble's configuration is under way.",
    Code.APIERROR: "The request was refused.",
    Code.NONODE: "The znode does not exist.",
    Code.NOAUTH: "The access control list does not permit this to the session's identities.",
    Code.BADVERSION: "The version in the request is not the znode's current version.",
    Code.NOCHILDRENFOREPHEMERALS: "An ephemeral znode cannot have children.",
    Code.NODEEXISTS: "The znode exists already.",
    Code.NOTEMPTY: "The znode has children and cannot be deleted.",
    Code.SESSIONEXPIRED: "The session has expired.",
    Code.INVALIDCALLBACK: "The callback is not valid.",
    Code.INVALIDACL: "The access control list is empty or names an unusable scheme or id.",
    Code.AUTHFAILED: "The credentials were not accepted.",
    Code.SESSIONMOVED: "The session is now served by another member of the ensemble.",
    Code.NOTREADONLY: "A read-only server cannot take a request that changes state.",
    Code.EPHEMERALONLOCALSESSION: "A local session cannot create ephemeral znodes.",
    Code.NOWATCHER: "The session has no such watch on this path.",
    Code.REQUESTTIMEOUT: "The request was not finished within its time limit.",
    Code.RECONFIGDISABLED: "Changing the ensemble's configuration at run time is switched off.",
    Code.SESSIONCLOSEDREQUIRESASLAUTH: "The session was closed because it did not authenticate.",
    Code.QUOTAEXCEEDED: "The change would exceed the quota set on this part of the tree.",
    Code.THROTTLEDOP: "The request waited too long in an overloaded server and was dropped.",
}

_BY_NUMBER: dict[int, Code] = {int(code): code for code in Code}


def code_of(number: int) -> Code:
    """The Code of a number from the wire; a number without a name becomes SYSTEMERROR."""
    return _BY_NUMBER.get(number, Code.SYSTEMERROR)


class KeeperError(Exception):
    """A refusal with one of ZooKeeper's codes; `detail` is for people, it never goes out."""

    def __init__(self, code: Code, detail: str = "") -> None:
        # No formatting here: the write path raises this for every failed request. See __str__.
        self.code = code
        self.detail = detail

    def __str__(self) -> str:
        text = f"{self.code.name}: {SENTENCES[self.code]}"
        return f"{text} ({self.detail})" if self.detail else text

    def __repr__(self) -> str:
        return f"KeeperError({self.code.name}, {self.detail!r})"

    def __reduce__(self) -> tuple[type[KeeperError], tuple[Code, str]]:
        return type(self), (self.code, self.detail)


class ProtocolViolation(Exception):
    """The other side broke the protocol. The text says what came and what was allowed."""
