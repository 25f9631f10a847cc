"""Whom a command asks, as whom, and whether by TLS: the options, and what they come to.

Only click is loaded here, as in the table of commands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ssl import SSLContext

DEFAULT_SERVER = "127.0.0.1:2181"


@dataclass(frozen=True)
class Access:
    hosts: str = DEFAULT_SERVER
    auths: tuple[str, ...] = ()
    """`scheme:credentials`, each."""
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None

    @staticmethod
    def taken_from(given: dict[str, Any]) -> Access:
        """What the options gave, which are taken out."""
        return Access(**{name: given.pop(name) for name in NAMES})

    def credentials(self) -> list[tuple[str, bytes]]:
        """Scheme and proof of each identity. Raises click.UsageError."""
        found = []
        for text in self.auths:
            scheme, colon, proof = text.partition(":")
            if not colon:
                raise click.UsageError("--auth is scheme:credentials, say digest:name:password")
            found.append((scheme, proof.encode()))
        return found

    def ssl(self) -> SSLContext | None:
        """TLS when there is a CA or a certificate. Raises click.ClickException, naming the file."""
        if self.key is not None and self.certificate is None:
            raise click.UsageError("--tls-key is the key of a --tls-cert")
        if self.ca is None and self.certificate is None:
            return None
        import ssl

        name = self.ca
        try:
            context = ssl.create_default_context(cafile=self.ca)
            if self.certificate is not None:
                name = self.certificate
                context.load_cert_chain(self.certificate, self.key)
        except OSError as error:
            raise click.ClickException(f"{name}: {error.strerror or error}") from None
        return context


_OPTIONS: dict[str, Callable[[], click.Option]] = {
    "hosts": lambda: click.Option(
        ["--server", "-server", "hosts"],
        default=DEFAULT_SERVER,
        show_default=True,
        envvar="ZOO_SERVER",
        show_envvar=True,
        metavar="HOST:PORT,...",
        help="Servers to connect to, better several; /CHROOT may follow.",
    ),
    "auths": lambda: click.Option(
        ["--auth", "auths"],
        multiple=True,
        envvar="ZOO_AUTH",
        metavar="SCHEME:CREDENTIALS",
        help="Say digest:name:password; repeatable. Better in the environment: ZOO_AUTH.",
    ),
    "ca": lambda: _file("--tls-ca", "ca", "Use TLS, and trust this CA."),
    "certificate": lambda: _file("--tls-cert", "certificate", "Our certificate."),
    "key": lambda: _file("--tls-key", "key", "Its key, if it is in another file."),
}
NAMES = tuple(_OPTIONS)


def access_options() -> list[click.Parameter]:
    """The same for every command that asks servers."""
    return [make() for make in _OPTIONS.values()]


def _file(opt: str, name: str, text: str) -> click.Option:
    variable = f"ZOO_{opt.strip('-').upper().replace('-', '_')}"
    return click.Option([opt, name], metavar="FILE", envvar=variable, show_envvar=True, help=text)
