"""Commands on watches: watch (follow), addWatch, removewatches."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from zoo.client.errors import NoAuthError, NoNodeError, OperationTimeoutError
from zoo.client.results import Node
from zoo.client.watches import Event
from zoo.jute.constants import EventType, KeeperState, WatcherType
from zoo.shell import values
from zoo.shell.problems import Problem
from zoo.shell.session import Shell

_HAS_DATA = (EventType.NODE_CREATED, EventType.NODE_DATA_CHANGED)
_COLOURS = {
    EventType.NODE_CREATED: "green",
    EventType.NODE_DELETED: "red",
    EventType.NODE_DATA_CHANGED: "yellow",
    EventType.NODE_CHILDREN_CHANGED: "blue",
    EventType.NONE: "magenta",
}


async def watch(
    shell: Shell, *, path: str, single: bool, no_data: bool, number: int | None, buffer: int
) -> None:
    """Until `number` events or Ctrl-C; a session that expires costs a gap."""
    seen, state = 0, KeeperState.EXPIRED
    while state is KeeperState.EXPIRED:  # a session that is over has a successor
        async with await shell.zk.watch(path, recursive=not single, buffer=buffer) as events:
            shell.out.note(f"watching {path}{'' if single else ' and all below it'}; Ctrl-C ends")
            async for event in events:
                await _tell(shell, event, with_data=not no_data)
                state = event.state
                seen += not event.is_gap
                if number is not None and seen >= number:
                    return
    raise Problem(f"the watch on {path} has ended")


async def _tell(shell: Shell, event: Event, with_data: bool) -> None:
    now = datetime.now().astimezone()
    told: dict[str, Any] = {"time": now.astimezone(UTC).isoformat(timespec="milliseconds")}
    told |= values.event_json(event)
    name = shell.out.paint(f"{told['event']:19}", fg=_COLOURS.get(event.type))
    line = f"{now:%H:%M:%S}.{now.microsecond // 1000:03} {name} {event.path}"
    if event.is_gap:
        shell.out.show(told, f"{line}: {event.gap}: events are missing, read again")
        return
    if with_data and event.type in _HAS_DATA:
        node = await _read(shell, event.path)
        if node is not None:
            told |= {"version": node.stat.version, **values.data_json(node.data)}
            line = f"{line} = {values.short(node.data)}"
            if node.stat.mzxid != event.zxid and event.zxid > 0:
                told["dataZxid"] = values.number(node.stat.mzxid)
                line += shell.out.paint(" (changed again since)", dim=True)
    shell.out.show(told, line)


async def _read(shell: Shell, path: str) -> Node[bytes] | None:
    """As it is now, if that can be said; an event carries no data."""
    try:
        return await shell.zk.get(path)
    except (NoNodeError, NoAuthError, OperationTimeoutError):
        return None


async def add_watch(shell: Shell, *, path: str, mode: str) -> None:
    await shell.follow_in_background(path, recursive=mode.upper() == "PERSISTENT_RECURSIVE")


async def removewatches(
    shell: Shell,
    *,
    path: str,
    children: bool,
    data: bool,
    persistent: bool,
    recursive: bool,
    all_kinds: bool,
    local: bool,
) -> None:
    chosen = {
        WatcherType.CHILDREN: children,
        WatcherType.DATA: data,
        WatcherType.PERSISTENT: persistent,
        WatcherType.PERSISTENT_RECURSIVE: recursive,
    }
    kind = next((kind for kind, wanted in chosen.items() if wanted), WatcherType.ANY)
    await shell.zk.remove_watches(path, WatcherType.ANY if all_kinds else kind)
