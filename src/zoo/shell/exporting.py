"""export: a subtree into a file, as of one moment if that can be.

Theory of operation. A persistent recursive watch is set, then the subtree is read. Afterwards comes
a `sync` and a look at the events: what changed since is read again, and so on. Events come before
the answer to a later `sync`; so when there are none, every znode was read after its last change,
and what was written is the subtree as of the zxid of that `sync`. What it is not:

- a change of an ACL makes no event, so ACLs are as they were when they were read;
- a subtree that changes faster than it can be read again is never exact, and the file says so;
- no client can see that a znode is a container or has a TTL, they look persistent; nor the counter
  of sequential children.
"""

from __future__ import annotations

import asyncio
import time

from zoo.client.errors import NoNodeError, UnimplementedError
from zoo.client.results import Node
from zoo.client.streams import WatchStream
from zoo.jute.records import ACL
from zoo.shell import values
from zoo.shell.progress import Advance, bar
from zoo.shell.session import Shell
from zoo.shell.subtree_file import Writer, created
from zoo.shell.walking import SYSTEM, depth_first, relative, walk

ROUNDS = 20
_BUFFER = 100_000
_Read = tuple[Node[bytes], list[ACL] | None]


async def export(shell: Shell, *, path: str, output: str | None, no_acl: bool) -> None:
    """Of the real root all but /zookeeper, which is the server's own."""
    work = _Export(shell, path, with_acl=not no_acl)
    with created(output) as stream:
        await work.write(Writer(stream))
    told = {"path": path, "znodes": work.count, "zxid": values.number(work.zxid)}
    text = f"{work.count} znodes of {path}"
    if work.why_not_exact:
        text += f", NOT of one moment: {work.why_not_exact}; each is as it was when it was read"
    else:
        text += f", exactly as of zxid {told['zxid']}"
    if output not in (None, "-"):
        shell.out.show({**told, "exact": not work.why_not_exact, "file": output}, text)
    else:
        shell.out.note(text)


class _Export:
    def __init__(self, shell: Shell, root: str, with_acl: bool) -> None:
        self._zk = shell.zk
        self._root = root
        self._with_acl = with_acl
        self._has_system = root == "/" and shell.zk.chroot == "/"
        self._paths: dict[str, None] = {}
        self.zxid = 0
        self.why_not_exact = ""

    @property
    def count(self) -> int:
        return len(self._paths)

    async def write(self, writer: Writer) -> None:
        zk, root = self._zk, self._root
        await zk.sync(root)
        total = await self._total()
        events = await self._watch()
        try:
            writer.begin(root, zk.last_zxid, int(time.time() * 1000))
            with bar(f"export {root}", total) as advance:
                await self._walk(writer, advance)
            if events is not None:
                await self._catch_up(writer, events)
            self.zxid = zk.last_zxid
            writer.end(self.zxid, not self.why_not_exact)
        finally:
            if events is not None:
                await events.close()

    async def _total(self) -> int | None:
        try:
            return await self._zk.count_descendants(self._root) + 1
        except UnimplementedError:
            return None

    async def _watch(self) -> WatchStream | None:
        try:
            return await self._zk.watch(self._root, recursive=True, buffer=_BUFFER)
        except UnimplementedError:
            self.why_not_exact = "the server knows no recursive watches"
            return None

    async def _read(self, path: str) -> _Read:
        if not self._with_acl:
            return await self._zk.get(path), None
        node, (acl, _) = await asyncio.gather(self._zk.get(path), self._zk.get_acl(path))
        return node, acl

    async def _look(self, path: str) -> tuple[_Read, list[str]]:
        seen, names = await asyncio.gather(self._read(path), self._zk.children(path))
        if self._has_system and path == "/":
            names.remove(SYSTEM[1:])
        return seen, names

    async def _walk(self, writer: Writer, advance: Advance) -> None:
        await self._zk.get(self._root)  # NoNodeError for the root, and only for it
        async for path, (node, acl) in walk(self._root, self._look):
            self._paths[path] = None
            writer.node(relative(self._root, path), node, acl)
            advance(1)

    async def _catch_up(self, writer: Writer, events: WatchStream) -> None:
        for _ in range(ROUNDS):
            await self._zk.sync(self._root)
            changed: dict[str, None] = {}
            while events.waiting:
                event = await anext(events)
                if event.is_gap:
                    self.why_not_exact = event.gap or "the session has ended"
                    return
                changed[event.path] = None
            if not changed:
                return
            for path in sorted(changed, key=depth_first):
                await self._read_again(writer, path)
        self.why_not_exact = f"it was changing still after {ROUNDS} rounds"

    async def _read_again(self, writer: Writer, path: str) -> None:
        if self._has_system and (path == SYSTEM or path.startswith(f"{SYSTEM}/")):
            return
        try:
            node, acl = await self._read(path)
        except NoNodeError:
            if path == self._root:
                raise
            writer.gone(relative(self._root, path))
            self._paths.pop(path, None)
        else:
            writer.node(relative(self._root, path), node, acl)
            self._paths[path] = None
