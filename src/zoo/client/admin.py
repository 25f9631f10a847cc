"""Operations on the session and on the ensemble."""

from __future__ import annotations

from typing import TypeVar

from zoo.client.base import ClientBase, check_version, check_watch
from zoo.client.following import CONFIG_PATH
from zoo.client.results import Node, Transferred
from zoo.client.streams import OneShot, WatchCallback
from zoo.client.watches import Kind
from zoo.jute import client_records as c
from zoo.jute.operations import Op
from zoo.jute.records import ClientInfo

T = TypeVar("T")


class AdminOperations(ClientBase[T]):
    async def add_auth(
        self, scheme: str, auth: str | bytes, *, timeout: float | None = None
    ) -> None:
        """Prove an identity, now and after every reconnection: add_auth("digest", "name:password").

        Raises AuthFailedError; the client is of no more use then.
        """
        secret = auth.encode() if isinstance(auth, str) else auth
        if not isinstance(scheme, str) or not isinstance(secret, bytes):
            kinds = f"{type(scheme).__name__} and {type(auth).__name__}"
            raise TypeError(f"add_auth: a scheme is a str, its proof str or bytes, not {kinds}")
        await self._session.add_auth(scheme, secret, timeout)

    async def who_am_i(self, *, timeout: float | None = None) -> list[ClientInfo]:
        """The identities of this connection, as (auth_scheme, user)."""
        found: list[ClientInfo] = (await self._ask(Op.whoAmI, None, None, timeout)).client_info
        return found

    async def get_config(
        self, *, watch: WatchCallback | None = None, timeout: float | None = None
    ) -> Node[str]:
        """The ensemble's configuration, one `server.N=...` a line, and its version."""
        wire = CONFIG_PATH.encode()
        request = c.GetDataRequest(wire, watch is not None)
        watcher = None
        if watch is not None:  # whatever the chroot, the path is this one
            check_watch(watch, CONFIG_PATH)
            watcher = Kind.DATA, wire, OneShot(watch, "", self._session.tasks)
        reply = await self._ask(Op.getData, request, CONFIG_PATH, timeout, watcher)
        return Node(CONFIG_PATH, (reply.data or b"").decode(), reply.stat)

    async def reconfig(
        self,
        *,
        joining: str | None = None,
        leaving: str | None = None,
        members: str | None = None,
        version: int = -1,
        timeout: float | None = None,
    ) -> Node[str]:
        """Change the ensemble: comma-separated `server.N=...` that join, ids that leave; or all
        `members` anew. `version`: only if this is the configuration's (hex in the text, here int).
        """
        if members is not None and (joining is not None or leaving is not None):
            raise ValueError("give either all members, or those that join and leave")
        version = check_version(version, CONFIG_PATH, 64)
        request = c.ReconfigRequest(joining, leaving, members, version)
        reply = await self._ask(Op.reconfig, request, CONFIG_PATH, timeout)
        return Node(CONFIG_PATH, (reply.data or b"").decode(), reply.stat)

    async def transfer_leader(
        self, server: int, *, within: float = 5.0, timeout: float | None = None
    ) -> Transferred:
        """Have the member with this number lead, instead of the one that this client is connected
        to. It has `within` seconds to catch up; up to then nothing changes. Who may do it is who
        may reconfig. Raises UnimplementedError where no Zoo leads.
        """
        request = c.TransferLeaderRequest(server, int(within * 1000))
        reply = await self._ask(Op.transferLeader, request, None, timeout)
        return Transferred(reply.leader, reply.held / 1000, reply.reason)
