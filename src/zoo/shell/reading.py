"""Commands that read: ls, get, stat, tree and their like."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from zoo.client.errors import NoNodeError
from zoo.shell import values
from zoo.shell.session import Shell
from zoo.shell.walking import child, subtree


async def ls(shell: Shell, *, path: str, stat: bool, watch: bool, recursive: bool) -> None:
    watcher = shell.watcher(watch)
    if recursive:
        found = await subtree(shell.zk, path)
        if watcher is not None:
            await shell.zk.children(path, watch=watcher)
        for each in found:
            shell.out.show({"path": each}, each)
        return
    names, its_stat = await shell.zk.children_stat(path, watch=watcher)
    told: dict[str, Any] = {"path": path, "children": names}
    lines = [f"[{', '.join(names)}]"]
    if stat:
        told["stat"] = values.stat_json(its_stat)
        lines += values.stat_lines(its_stat)
    shell.out.show(told, *lines)


async def get(
    shell: Shell,
    *,
    path: str,
    stat: bool,
    watch: bool,
    as_base64: bool,
    as_hex: bool,
    output: str | None,
) -> None:
    node = await shell.zk.get(path, watch=shell.watcher(watch))
    data = node.data
    if output == "-":
        shell.out.write(data)
    elif output is not None:
        Path(output).write_bytes(data)
    elif shell.out.as_json:
        shell.out.show(values.node_json(node))
    elif as_hex:
        shell.out.show(None, *values.hexdump(data))
    elif as_base64:
        shell.out.show(None, base64.b64encode(data).decode())
    else:
        _print_data(shell, data)
    if stat and not shell.out.as_json:
        shell.out.show(None, *values.stat_lines(node.stat))


def _print_data(shell: Shell, data: bytes) -> None:
    text = values.text_of(data)
    if data is values.NULL:
        shell.out.show(None, "null")
    elif text is not None:
        shell.out.show(None, text)
    elif shell.out.is_terminal:
        shell.out.show(None, *values.hexdump(data))  # raw, it could upset the terminal
    else:
        shell.out.write(data + b"\n")


async def stat(shell: Shell, *, path: str, watch: bool) -> None:
    found = await shell.zk.exists(path, watch=shell.watcher(watch))
    if found is None:
        raise NoNodeError(operation="stat", path=path)
    shell.out.show({"path": path, "stat": values.stat_json(found)}, *values.stat_lines(found))


async def get_acl(shell: Shell, *, path: str, stat: bool) -> None:
    acl, its_stat = await shell.zk.get_acl(path)
    texts = [values.acl_text(entry) for entry in acl]
    told: dict[str, Any] = {"path": path, "acl": texts}
    if stat:
        told["stat"] = values.stat_json(its_stat)
        texts = [*texts, *values.stat_lines(its_stat)]
    shell.out.show(told, *texts)


async def get_all_children_number(shell: Shell, *, path: str) -> None:
    count = await shell.zk.count_descendants(path)
    shell.out.show({"path": path, "count": count}, str(count))


async def get_ephemerals(shell: Shell, *, path: str) -> None:
    found = await shell.zk.ephemerals(path)
    shell.out.show({"path": path, "ephemerals": found}, f"[{', '.join(found)}]")


async def sync(shell: Shell, *, path: str) -> None:
    await shell.zk.sync(path)
    shell.out.show({"path": path, "zxid": values.number(shell.zk.last_zxid)}, "Sync is OK")


async def tree(shell: Shell, *, path: str, depth: int | None, counts: bool, data: bool) -> None:
    await _Tree(shell, depth, counts, data).show(path)


class _Tree:
    """Lines and branches. Where the depth ends, or `counts` says so, the number of all below."""

    def __init__(self, shell: Shell, depth: int | None, counts: bool, data: bool) -> None:
        self._shell = shell
        self._depth = depth
        self._counts = counts
        self._data = data
        self._shown = 0

    async def show(self, root: str) -> None:
        await self._node(root, root, "", "", 0)
        if not self._shell.out.as_json:
            self._shell.out.show(None, f"{self._shown} znode{'' if self._shown == 1 else 's'}")

    async def _node(self, path: str, name: str, first: str, rest: str, level: int) -> None:
        shell = self._shell
        try:
            node = await shell.zk.get(path)
            is_cut = self._depth is not None and level >= self._depth
            names = [] if is_cut else await shell.zk.children(path)
            count = node.stat.num_children
            if count and (is_cut or self._counts):
                count = await shell.zk.count_descendants(path)
        except NoNodeError:
            if level:
                return  # gone since its parent was read
            raise
        self._shown += 1
        told = {"path": path, "depth": level, "children": node.stat.num_children}
        marks = [shell.out.paint(name, fg="blue", bold=True) if count else name]
        if node.is_ephemeral:
            marks.append(shell.out.paint("ephemeral", fg="magenta"))
        if count and (is_cut or self._counts):
            told["descendants"] = count
            marks.append(shell.out.paint(f"({count} below)", dim=True))
        if self._data and node.data:
            marks.append(f"= {values.short(node.data)}")
        if self._data:
            told |= values.data_json(node.data)
        shell.out.show(told, first + " ".join(marks))
        for each in names:
            is_last = each == names[-1]
            branch, below = ("└── ", "    ") if is_last else ("├── ", "│   ")
            await self._node(child(path, each), each, rest + branch, rest + below, level + 1)
