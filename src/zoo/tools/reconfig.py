"""``zoo reconfig``: change an ensemble's members while it serves, and see what that means first."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from zoo.shell.access import Access, access_options

if TYPE_CHECKING:
    from zoo.tools.reconfig_plan import Facts, Finding, Plan, Wish

EXIT_REFUSED = 1
EXIT_NOT_SENT = 3
EXIT_LAGGING = 4
EXIT_UNKNOWN = 5


class Manner(NamedTuple):
    """How the command goes about it."""

    access: Access
    timeout: float
    dry_run: bool
    yes: bool
    json: bool


@click.command(
    epilog="""\b
Exit codes:
  0  done, and all who joined are in step; or there was nothing to do
  1  the ensemble refused, or cannot be reached: nothing was changed
  2  wrong invocation
  3  nothing was sent: the checks speak against it (a dry run: would)
  4  changed, but not all who joined were in step in time
  5  unknown whether it was changed"""
)
@click.option("--add", multiple=True, metavar="server.N=...", help="To join, or to be otherwise.")
@click.option("--remove", multiple=True, metavar="N", help="To leave; several: 3,4.")
@click.option(
    "--members", metavar="FILE|TEXT", help="Instead of both: all members, groups and weights."
)
@click.option("--from-version", metavar="HEX", help="Only from this version of the configuration.")
@click.option("--dry-run", is_flag=True, help="Only show what it would come to.")
@click.option("--yes", is_flag=True, help="Do not ask before something dangerous.")
@click.option(
    "--timeout", type=float, default=60.0, show_default=True, help="Seconds for each stage."
)
@click.option("--json", "as_json", is_flag=True, help="The result as a line of JSON.")
def reconfig(
    add: tuple[str, ...],
    remove: tuple[str, ...],
    members: str | None,
    from_version: str | None,
    dry_run: bool,
    yes: bool,
    timeout: float,
    as_json: bool,
    **given: Any,
) -> None:
    """Change the members of a running ensemble.

    Shows the old and the new membership, who is in step, and what could go wrong; asks before
    anything dangerous; sends the request, and waits until all who joined are in step. Servers to be
    added should run already, with the present members and themselves in their configuration.
    """
    from zoo.tools.config_live import run

    wish = _wish(add, remove, members, from_version)
    manner = Manner(Access.taken_from(given), timeout, dry_run, yes, as_json)
    try:
        code = run(_reconfig(wish, manner))
    except KeyboardInterrupt:
        why = "interrupted; `zoo config` tells what holds now"
        code = _end(manner, EXIT_UNKNOWN, "unknown", why)
    raise SystemExit(code)


reconfig.params += access_options()


def _wish(
    add: tuple[str, ...], remove: tuple[str, ...], members: str | None, version: str | None
) -> Wish:
    from zoo.tools.reconfig_plan import Wish

    if bool(members) == bool(add or remove):
        raise click.UsageError("give --add and --remove, or else --members")
    try:
        number = None if version is None else int(version, 16)
    except ValueError:
        raise click.UsageError(f"--from-version {version} is not hexadecimal") from None
    return Wish(
        ",".join(add) or None,
        ",".join(remove) or None,
        None if members is None else _members(members),
        number,
    )


def _members(text: str) -> str:
    """What the file or the text lists, one member after the other."""
    from pathlib import Path

    if "=" not in text:
        try:
            text = Path(text).read_text()
        except OSError as error:
            raise click.UsageError(f"--members {text}: {error.strerror}") from error
    lines = (line.strip() for line in text.replace(",", "\n").splitlines())
    # As the file of a configuration may have it, and the request may not.
    return ",".join(line for line in lines if line and not line.startswith(("#", "version")))


async def _reconfig(wish: Wish, manner: Manner) -> int:
    from zoo.tools.config_live import connected, known
    from zoo.tools.reconfig_plan import Impossible, findings
    from zoo.tools.reconfig_run import Lagging, Refused, Run, Unknown, prepare

    reach = known(manner.access)
    async with connected(manner.access, manner.timeout) as client:
        try:
            plan, facts = await prepare(client, wish, reach)
        except Impossible as problem:
            return _end(manner, EXIT_NOT_SENT, "impossible", str(problem))
        found = findings(plan, facts)
        if not manner.json:
            _show(plan, facts, found)
        details = _details(plan, facts, found)
        if plan.changes_nothing:
            return _end(manner, 0, "nothing to do", "", details)
        verdict = _verdict(found, manner)
        if verdict or manner.dry_run:
            code = EXIT_NOT_SENT if verdict else 0
            return _end(manner, code, "not sent", verdict, details)
        try:
            changed, answers = await Run(client, plan, reach, _tell).carry_out(manner.timeout)
        except Refused as problem:
            return _end(manner, EXIT_REFUSED, "refused", str(problem), details)
        except Unknown as problem:
            return _end(manner, EXIT_UNKNOWN, "unknown", str(problem), details)
        except Lagging as problem:
            return _end(manner, EXIT_LAGGING, "lagging", str(problem), details)
    from zoo.tools.config_show import as_json, numbers, table

    if not manner.json:
        click.echo("")
        for line in table(changed, answers):
            click.echo(line)
        if plan.leavers:
            click.echo(f"to be stopped: {numbers(plan.leavers)}")
    return _end(manner, 0, "done", "", {**details, "now": as_json(changed, answers)})


def _verdict(found: list[Finding], manner: Manner) -> str:
    """Why the request is not to be sent; "" when it may be."""
    from zoo.tools.reconfig_plan import Level

    levels = {finding.level for finding in found}
    if Level.REFUSED in levels:
        return "the ensemble would refuse this"
    if Level.DANGER not in levels or (manner.yes and not manner.dry_run):
        return ""
    if manner.dry_run:
        return "this is dangerous; without --dry-run you will be asked"
    if manner.json or not sys.stdin.isatty():
        return "this is dangerous, and nobody can be asked; --yes does it all the same"
    return "" if click.confirm("Do it all the same?", err=True) else "as you wish"


def _show(plan: Plan, facts: Facts, found: list[Finding]) -> None:
    from zoo.tools.config_show import columns, quorum_rule, states

    said, joiners = states(dict(facts.answers)), plan.joiners
    rows = [("server", f"now, version {plan.old.version:x}", "then", "what it says")]
    for sid in sorted(facts.answers):
        before, after = plan.old.servers.get(sid), plan.new.servers.get(sid)
        then = "-" if after is None else "the same" if sid not in joiners else str(after)
        rows.append((str(sid), "-" if before is None else str(before), then, said[sid]))
    for line in columns(rows):
        click.echo(line)
    click.echo(f"now:  {quorum_rule(plan.old)}")
    click.echo(f"then: {quorum_rule(plan.new)}")
    for level, text in found:
        click.echo(f"{level.value}: {text}")
    if plan.changes_nothing:
        click.echo("nothing to do: this is the membership that there is")
    else:
        click.echo("until it is done, writes need a quorum of both")
        click.echo("request: reconfig " + " ".join(f"{k}={v}" for k, v in _request(plan).items()))


def _request(plan: Plan) -> dict[str, str]:
    """The fields of the request that are set, by ZooKeeper's names."""
    request = plan.request
    fields = {
        "joiningServers": request.joining_servers,
        "leavingServers": request.leaving_servers,
        "newMembers": request.new_members,
        "curConfigId": f"{request.cur_config_id:x}",
    }
    return {name: value for name, value in fields.items() if value is not None}


def _details(plan: Plan, facts: Facts, found: list[Finding]) -> dict[str, Any]:
    from zoo.tools.config_show import as_json

    answers = dict(facts.answers)
    return {
        "old": as_json(plan.old, answers),
        "new": as_json(plan.new, answers),
        "findings": [{"level": level.value, "text": text} for level, text in found],
        "request": _request(plan),
    }


def _tell(text: str) -> None:
    click.echo(text, err=True)


def _end(
    manner: Manner, code: int, outcome: str, why: str, details: dict[str, Any] | None = None
) -> int:
    """Say how it ended; the exit code."""
    import json

    if manner.json:
        told = {"outcome": outcome, "why": why, "exit": code, **(details or {})}
        click.echo(json.dumps(told, ensure_ascii=False))
    elif why:
        click.echo(f"zoo: {outcome}: {why}", err=True)
    return code
