"""Commands on the session, the shell itself, and the ensemble's configuration."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from zoo import __version__
from zoo.client.following import listed
from zoo.shell import values
from zoo.shell.problems import Problem
from zoo.shell.session import Shell
from zoo.shell.table import normal

_SECRET = "addauth"
_beginning = re.compile(r"""\s*["']?([^"'\s]+)""")


async def addauth(shell: Shell, *, scheme: str, credentials: str | None) -> None:
    await shell.add_auth(scheme, (credentials or "").encode())


async def whoami(shell: Shell) -> None:
    found = await shell.zk.who_am_i()
    shell.out.show(
        [{"scheme": info.auth_scheme, "user": info.user} for info in found],
        "Auth scheme: User",
        *(f"{info.auth_scheme}: {info.user}" for info in found),
    )


async def version(shell: Shell) -> None:
    shell.out.show({"zoo": __version__}, f"zoo {__version__}")


async def connect(shell: Shell, *, hosts: str | None) -> None:
    await shell.connect(hosts)


async def close(shell: Shell) -> None:
    await shell.close()


async def quit(shell: Shell) -> None:
    shell.is_over = True


exit_ = quit


async def printwatches(shell: Shell, *, setting: str | None) -> None:
    if setting is None:
        text = "on" if shell.print_watches else "off"
        shell.out.show({"printwatches": text}, f"printwatches is {text}")
    else:
        shell.print_watches = setting == "on"


async def history(shell: Shell) -> None:
    first = max(0, len(shell.lines) - 11)
    for number, line in enumerate(shell.lines[first:], first):
        shell.out.show({"number": number, "line": masked(line)}, f"{number} - {masked(line)}")


def masked(line: str) -> str:
    """Without credentials. In doubt, say after a quote that is not closed, with less than that."""
    command = _beginning.match(line)
    if command is None or normal(command[1]) != _SECRET:
        return line
    words = line.split()
    is_plain = len(words) > 2 and not {'"', "'"} & set(line)
    return f"{' '.join(words[:2]) if is_plain else command[1]} ****"


async def help(shell: Shell, *, command: str | None) -> None:
    from zoo.shell.commands import COMMANDS, find

    if command is not None:
        entry = find(command)
        context = click.Context(entry.parser, info_name=entry.name)
        shell.out.show(
            {"command": entry.name, "usage": entry.usage}, entry.parser.get_help(context)
        )
        return
    for entry in COMMANDS.values():
        shell.out.show({"command": entry.name, "usage": entry.usage}, f"  {entry.usage}")


# --- the ensemble


async def config(shell: Shell, *, stat: bool, watch: bool, clients: bool) -> None:
    with shell.watcher(watch) as watcher:
        node = await shell.zk.get_config(watch=watcher)
    text = client_addresses(node.data) if clients else node.data
    told: dict[str, Any] = {"config": text}
    lines = [text]
    if stat:
        told["stat"] = values.stat_json(node.stat)
        lines += values.stat_lines(node.stat)
    shell.out.show(told, *lines)


def client_addresses(text: str) -> str:
    """`version host:port,...`, as zkCli's `config -c` prints it."""
    found = listed(text)
    return f"{found.version:x} {','.join(map(str, found.servers))}"


async def reconfig(
    shell: Shell,
    *,
    stat: bool,
    version: str | None,
    file: str | None,
    members: str | None,
    add: str | None,
    remove: str | None,
) -> None:
    if file is None and members is None and add is None and remove is None:
        raise click.UsageError("say what to change: -add, -remove, or all -members or a -file")
    if (file or members) and (add or remove):
        raise click.UsageError("all members (-members, -file) or changes (-add, -remove), not both")
    if file and members:
        raise click.UsageError("give either -members or a -file")
    try:
        expected = -1 if version is None else int(version, 16)
    except ValueError:
        raise click.UsageError(f"-v {version}: a version is a hexadecimal number") from None
    everyone = members if file is None else _members_in(file)
    node = await shell.zk.reconfig(joining=add, leaving=remove, members=everyone, version=expected)
    lines = values.stat_lines(node.stat) if stat else ()
    told = {"config": node.data, "stat": values.stat_json(node.stat)}
    shell.out.show(told, "Committed new configuration:", node.data, *lines)


def _members_in(file: str) -> str:
    lines = (line.strip() for line in Path(file).read_text().splitlines())
    found = [line for line in lines if line.startswith(("server.", "group.", "weight."))]
    if not found:
        raise Problem(f"{file} holds no line server.N=...")
    return ",".join(found)
