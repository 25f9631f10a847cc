"""Commands on quotas: znodes below /zookeeper/quota that only the command line writes."""

from __future__ import annotations

import contextlib

import click

from zoo.client.errors import NodeExistsError, NoNodeError, NotEmptyError
from zoo.shell.problems import Problem
from zoo.shell.session import Shell
from zoo.shell.walking import subtree
from zoo.tree import quota

LIMITS = (quota.COUNT, quota.BYTES, quota.COUNT_HARD, quota.BYTES_HARD)


def _set(limits: dict[str, int]) -> dict[str, int]:
    return {key: value for key, value in limits.items() if value != quota.UNSET}


def _place(path: str) -> str:
    return quota.QUOTA_ROOT.decode() + path


def _limit_path(path: str) -> str:
    return quota.limit_path(path.encode()).decode()


def _stat_path(path: str) -> str:
    return quota.stat_path(path.encode()).decode()


def _refuse_chroot(shell: Shell) -> None:
    """Quotas stand at the real root: below a chroot znodes would appear that mean nothing."""
    if shell.zk.chroot != "/":
        raise Problem("quotas can only be reached without a chroot in the connect string")


async def _read(shell: Shell, path: str) -> dict[str, int]:
    return quota.parse((await shell.zk.get(path)).data)


async def listquota(shell: Shell, *, path: str) -> None:
    _refuse_chroot(shell)
    try:
        limits = await _read(shell, _limit_path(path))
        used = await _read(shell, _stat_path(path))
    except NoNodeError:
        raise Problem(f"{path} has no quota") from None
    shell.out.show(
        {"path": path, "limits": _set(limits), "used": used},
        f"Output quota for {path} {quota.format_values(limits).decode()}",
        f"Output stat for {path} {quota.format_values(used).decode()}",
    )


async def setquota(
    shell: Shell,
    *,
    path: str,
    count: int | None,
    size: int | None,
    hard_count: int | None,
    hard_size: int | None,
) -> None:
    """Quotas do not nest: none above and none below it may have one."""
    _refuse_chroot(shell)
    given = zip(LIMITS, (count, size, hard_count, hard_size))
    wanted = {key: value for key, value in given if value is not None}
    if not wanted:
        raise click.UsageError("say what to limit: -n, -b, -N or -B")
    if path == "/" or path.startswith("/zookeeper"):
        raise Problem(f"{path} cannot have a quota")
    if await shell.zk.exists(path) is None:
        raise NoNodeError(operation="setquota", path=path)
    await _refuse_nesting(shell, path)
    await shell.zk.ensure_path(_place(path))
    try:
        limits = await _read(shell, _limit_path(path))
    except NoNodeError:
        limits = dict.fromkeys(LIMITS, quota.UNSET)
    text = quota.format_values(limits | wanted)
    try:
        await shell.zk.create(_limit_path(path), text)
    except NodeExistsError:
        await shell.zk.set(_limit_path(path), text)
    with contextlib.suppress(NodeExistsError):  # the server counts when this is created
        await shell.zk.create(_stat_path(path), quota.usage(0, 0))
    shell.out.show({"path": path, "limits": _set(limits | wanted)})
    await _warn(shell, path, wanted)


async def _refuse_nesting(shell: Shell, path: str) -> None:
    above = path.rpartition("/")[0]
    while above:
        if await shell.zk.exists(_limit_path(above)) is not None:
            raise Problem(f"{path}: {above}, above it, has a quota, and quotas do not nest")
        above = above.rpartition("/")[0]
    try:
        places = await subtree(shell.zk, _place(path))
    except NoNodeError:
        return
    for place, names in places.items():
        if place != _place(path) and quota.LIMIT_NODE.decode() in names:
            theirs = place.removeprefix(quota.QUOTA_ROOT.decode())
            raise Problem(f"{path}: {theirs}, below it, has a quota, and quotas do not nest")


async def _warn(shell: Shell, path: str, wanted: dict[str, int]) -> None:
    used = await _read(shell, _stat_path(path))
    for key, kind in (
        (quota.COUNT, quota.COUNT),
        (quota.COUNT_HARD, quota.COUNT),
        (quota.BYTES, quota.BYTES),
        (quota.BYTES_HARD, quota.BYTES),
    ):
        if key in wanted and wanted[key] < used.get(kind, 0):
            shell.out.note(f"warning: {path} is above its {kind} limit already: {used[kind]}")


async def delquota(
    shell: Shell, *, path: str, count: bool, size: bool, hard_count: bool, hard_size: bool
) -> None:
    """Single limits, or the whole quota when none is named."""
    _refuse_chroot(shell)
    chosen = zip(LIMITS, (count, size, hard_count, hard_size))
    gone = [key for key, is_chosen in chosen if is_chosen]
    try:
        limits = await _read(shell, _limit_path(path))
    except NoNodeError:
        raise Problem(f"{path} has no quota") from None
    if gone:
        left = limits | dict.fromkeys(gone, quota.UNSET)
        await shell.zk.set(_limit_path(path), quota.format_values(left))
        shell.out.show({"path": path, "limits": _set(left)})
        return
    for each in (_limit_path(path), _stat_path(path)):
        with contextlib.suppress(NoNodeError):
            await shell.zk.delete(each)
    place = _place(path)
    while place != quota.QUOTA_ROOT.decode():
        try:
            await shell.zk.delete(place)
        except (NoNodeError, NotEmptyError):
            break
        place = place.rpartition("/")[0]
    shell.out.show({"path": path, "limits": None})
