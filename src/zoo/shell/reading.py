"""Commands that read: ls, get, stat, tree and their like."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any, NamedTuple

from zoo.client.errors import NoAuthError, NoNodeError
from zoo.client.results import Node
from zoo.shell import values
from zoo.shell.session import Shell
from zoo.shell.walking import AT_ONCE, child, subtree, together


async def ls(shell: Shell, *, path: str, stat: bool, watch: bool, recursive: bool) -> None:
    if recursive:
        with shell.watcher(watch) as watcher:
            found = await subtree(shell.zk, path, watcher)
        for each in found:
            shell.out.show({"path": each}, each)
        return
    with shell.watcher(watch) as watcher:
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
    with shell.watcher(watch) as watcher:
        node = await shell.zk.get(path, watch=watcher)
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
    with shell.watcher(watch) as watcher:
        found = await shell.zk.exists(path, watch=watcher)
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
    """The path is a mere beginning, as in ZooKeeper: /a/e finds /a/e-0000000001, too."""
    found = [each for each in await shell.zk.ephemerals() if each.startswith(path)]
    shell.out.show({"path": path, "ephemerals": found}, f"[{', '.join(found)}]")


async def sync(shell: Shell, *, path: str) -> None:
    await shell.zk.sync(path)
    shell.out.show({"path": path, "zxid": values.number(shell.zk.last_zxid)}, "Sync is OK")


async def tree(shell: Shell, *, path: str, depth: int | None, counts: bool, data: bool) -> None:
    await _Tree(shell, depth, counts, data).draw(path)


class _Seen(NamedTuple):
    node: Node[bytes]
    children: list[str]
    """None of them where the depth ends."""
    descendants: int | None
    """When they are to be told: where the depth ends, and everywhere with `counts`."""


class _Tree:
    """Lines and branches. The children of a znode are looked at together, then drawn in order."""

    def __init__(self, shell: Shell, depth: int | None, counts: bool, data: bool) -> None:
        self._shell = shell
        self._depth = depth
        self._counts = counts
        self._data = data
        self._drawn = 0

    async def draw(self, root: str) -> None:
        seen = await self._look(root, 0)
        self._line(root, seen, "", 0)
        await self._below(root, seen.children, "", 1)
        if not self._shell.out.as_json:
            self._shell.out.show(None, f"{self._drawn} znode{'' if self._drawn == 1 else 's'}")

    async def _look(self, path: str, level: int) -> _Seen:
        zk = self._shell.zk
        node = await zk.get(path)
        is_cut = self._depth is not None and level >= self._depth
        has_children = node.stat.num_children > 0
        names = await zk.children(path) if has_children and not is_cut else []
        wanted = has_children and (is_cut or self._counts)
        return _Seen(node, names, await zk.count_descendants(path) if wanted else None)

    async def _try_to_look(self, path: str, level: int) -> _Seen | str:
        """Or why that cannot be."""
        try:
            return await self._look(path, level)
        except NoAuthError:
            return "not readable"
        except NoNodeError:
            return "gone"

    async def _below(self, parent: str, names: list[str], margin: str, level: int) -> None:
        for start in range(0, len(names), AT_ONCE):
            batch = names[start : start + AT_ONCE]
            paths = [child(parent, name) for name in batch]
            looks = (self._try_to_look(path, level) for path in paths)
            for name, path, seen in zip(batch, paths, await together(looks)):
                is_last = name == names[-1]
                branch = margin + ("└── " if is_last else "├── ")
                if isinstance(seen, _Seen):
                    self._line(name, seen, branch, level)
                    below = margin + ("    " if is_last else "│   ")
                    await self._below(path, seen.children, below, level + 1)
                else:
                    told = {"path": path, "depth": level, "error": seen}
                    self._shell.out.show(told, f"{branch}{name} ({seen})")

    def _line(self, name: str, seen: _Seen, branch: str, level: int) -> None:
        out, (node, _, descendants) = self._shell.out, seen
        self._drawn += 1
        told = {"path": node.path, "depth": level, "children": node.stat.num_children}
        marks = [out.paint(name, fg="blue", bold=True) if node.stat.num_children else name]
        if node.is_ephemeral:
            marks.append(out.paint("ephemeral", fg="magenta"))
        if descendants is not None:
            told["descendants"] = descendants
            marks.append(out.paint(f"({descendants} below)", dim=True))
        if self._data:
            told |= values.data_json(node.data)
            marks += [f"= {values.short(node.data)}"] if node.data else []
        out.show(told, branch + " ".join(marks))
