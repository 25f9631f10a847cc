"""The options that commands on an ensemble share: whom to ask, and as whom."""

from __future__ import annotations

import click

server_option = click.option(
    "--server",
    "-server",
    "hosts",
    default="127.0.0.1:2181",
    show_default=True,
    envvar="ZOO_SERVER",
    metavar="HOST:PORT,...",
    help="Any of its members, better several.",
)
auth_option = click.option(
    "--auth",
    "auths",
    multiple=True,
    metavar="SCHEME:ID",
    envvar="ZOO_AUTH",
    help="Say digest:super:PASSWORD; also in ZOO_AUTH, where nobody sees it.",
)
