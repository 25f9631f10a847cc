"""``zoo transfer-leader``: another server of an ensemble leads; clients wait for milliseconds."""

from __future__ import annotations

from typing import Any

import click

from zoo.shell.access import Access, access_options


@click.command("transfer-leader")
@click.argument("server_id", metavar="ID", type=click.IntRange(0))
@click.option(
    "--timeout",
    type=click.FloatRange(0.001, 60),
    default=5.0,
    show_default=True,
    help="Seconds that the server has to catch up; then the old leader goes on.",
)
def transfer_leader(server_id: int, timeout: float, **given: Any) -> None:
    """Have server ID lead.

    The leader holds writes, waits until server ID has everything, and leaves in its favour. Clients
    of Zoo servers keep their connections, and what they have asked for is carried out by the new
    leader. Who may do this is who may reconfig.
    """
    import asyncio

    from zoo.tools.transfer import Refused, transfer

    try:
        old, done = asyncio.run(transfer(Access.taken_from(given), server_id, timeout))
    except (Refused, ValueError) as refused:
        raise click.ClickException(str(refused)) from refused
    if done.reason is not None:
        raise click.ClickException(f"not transferred: {done.reason}; server {done.leader} leads")
    click.echo(f"server {done.leader} leads, no longer the one at {old}")
    click.echo(f"writes stood still for {done.held * 1000:.0f} ms")


transfer_leader.params += access_options()
