"""Commands that change znodes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import click

from zoo.client.errors import ClientError, NoNodeError, NotEmptyError, TransactionFailedError
from zoo.errors import Code
from zoo.jute.constants import OPEN_ACL_UNSAFE
from zoo.shell import values
from zoo.shell.blocking import content
from zoo.shell.problems import Problem
from zoo.shell.session import Shell
from zoo.shell.walking import AT_ONCE, subtree, together

_ROUNDS = 10


async def given_data(data: str | None, file: str | None, as_base64: bool = False) -> bytes | None:
    """What is to be stored: an argument, a file or "-"; None when nothing was given."""
    if file is not None:
        if data is not None:
            raise click.UsageError("give the data or a --file with it, not both")
        found = await content(file)
        return values.from_base64(found.decode("latin-1")) if as_base64 else found
    if data is None:
        return None
    return values.from_base64(data) if as_base64 else data.encode("utf-8", "surrogateescape")


async def create_options(
    *,
    sequence: bool,
    ephemeral: bool,
    container: bool,
    ttl: int | None,
    acl: str | None,
    data: str | None,
    file: str | None,
) -> dict[str, Any]:
    """What the client's create takes, besides the path."""
    return {
        "data": await given_data(data, file),
        "sequence": sequence,
        "ephemeral": ephemeral,
        "container": container,
        "ttl": None if ttl is None else ttl / 1000,
        "acl": OPEN_ACL_UNSAFE if acl is None else values.parse_acl(acl),
    }


@contextlib.contextmanager
def knowing_the_way_to_a_ttl(is_wanted: bool = True) -> Iterator[None]:
    """For servers that know none, or are not to: the error says what they need."""
    try:
        yield
    except ClientError as error:
        if not is_wanted or error.code is not Code.UNIMPLEMENTED:
            raise
        way = "a TTL needs extendedTypesEnabled=true in every server's zoo.cfg"
        raise Problem(f"{error} {way}") from None


async def create(shell: Shell, *, path: str, parents: bool, **options: Any) -> None:
    given = await create_options(**options)
    with knowing_the_way_to_a_ttl(given["ttl"] is not None):
        node = await shell.zk.create(path, **given, make_parents=parents)
    shell.out.show({"path": node.path}, f"Created {node.path}")
    if options["ephemeral"] and not shell.is_interactive:
        shell.out.note(f"{node.path} is ephemeral and goes now, with this command's session")


async def set(
    shell: Shell,
    *,
    path: str,
    data: str | None,
    file: str | None,
    as_base64: bool,
    version: int,
    stat: bool,
) -> None:
    stored = await given_data(data, file, as_base64)
    if stored is None:
        raise click.UsageError("no data; give them as an argument or with --file")
    found = await shell.zk.set(path, stored, version=version)
    lines = values.stat_lines(found) if stat else ()
    shell.out.show({"path": path, "stat": values.stat_json(found)}, *lines)


async def delete(shell: Shell, *, path: str, version: int) -> None:
    await shell.zk.delete(path, version=version)
    shell.out.show({"path": path, "deleted": 1})


async def deleteall(shell: Shell, *, path: str, batch: int) -> None:
    """Leaves first, in transactions of `batch` deletes; again for what others created meanwhile."""
    if path == "/":
        raise Problem("the root cannot be deleted; name what is below it")
    deleted = 0
    for _ in range(_ROUNDS):
        try:
            paths = list(reversed(await subtree(shell.zk, path)))
        except NoNodeError:
            if deleted:
                break
            raise
        step = max(1, batch)
        for start in range(0, len(paths), step):
            deleted += await _delete(shell, paths[start : start + step])
    else:
        raise NotEmptyError("others keep creating below it", operation="deleteall", path=path)
    shell.out.show({"path": path, "deleted": deleted})


async def _delete(shell: Shell, paths: list[str]) -> int:
    """All in one transaction; one by one if that is refused. How many were deleted."""
    zk = shell.zk
    if len(paths) > 1:
        transaction = zk.transaction()
        for path in paths:
            transaction.delete(path)
        try:
            await transaction.commit()
            return len(paths)
        except TransactionFailedError:
            pass
    deleted = 0
    for path in paths:
        try:
            await zk.delete(path)
            deleted += 1
        except (NoNodeError, NotEmptyError):
            continue  # gone already, or for the next round
    return deleted


async def set_acl(
    shell: Shell, *, path: str, acl: str, version: int, stat: bool, recursive: bool
) -> None:
    entries = values.parse_acl(acl)
    if not recursive:
        found = await shell.zk.set_acl(path, entries, version=version)
        lines = values.stat_lines(found) if stat else ()
        shell.out.show({"path": path, "stat": values.stat_json(found)}, *lines)
        return
    paths = list(await subtree(shell.zk, path))
    for start in range(0, len(paths), AT_ONCE):
        batch = paths[start : start + AT_ONCE]
        await together(shell.zk.set_acl(each, entries, version=version) for each in batch)
    shell.out.show({"path": path, "changed": len(paths)})
