"""Have another server of an ensemble lead: find who leads, and ask.

Only the leader can do it, so the servers are asked in turn; those that the configuration lists are
asked after those that were named.
"""

from __future__ import annotations

from zoo.client.async_client import AsyncClient, connect
from zoo.client.errors import (
    AuthFailedError,
    ClientError,
    NoAuthError,
    Outcome,
    UnimplementedError,
)
from zoo.client.hosts import Server, parse
from zoo.client.results import Transferred
from zoo.config_ensemble import parse_ensemble_text
from zoo.config_properties import ConfigError
from zoo.shell.access import Access
from zoo.tools.config_survey import client_address

_CONNECT_SECONDS = 3.0
_ANSWER_SECONDS = 5.0


class Refused(Exception):
    """Why no leadership was transferred."""


async def transfer(access: Access, target: int, timeout: float) -> tuple[Server, Transferred]:
    """Which server led, and what has come of it. `timeout`: how many seconds the target has to
    catch up. Raises Refused, ValueError, and click's errors for `access`.
    """
    todo = dict.fromkeys(parse(access.hosts).servers)
    ssl, identities = access.ssl(), access.credentials()
    asked: dict[Server, str] = {}
    while todo:
        server = next(iter(todo))
        del todo[server]
        client = connect(str(server), operation_timeout=timeout + _ANSWER_SECONDS, ssl=ssl)
        try:
            await client.start(timeout=_CONNECT_SECONDS)
        except ClientError as error:
            asked[server] = str(error)
            continue
        try:
            for scheme, proof in identities:
                await client.add_auth(scheme, proof)
            todo |= {each: None for each in await _listed(client) if each not in asked}
            return server, await client.transfer_leader(target, within=timeout)
        except UnimplementedError:
            asked[server] = "does not lead, or is no Zoo"
        except (NoAuthError, AuthFailedError) as error:
            raise Refused(
                f"{server}: this needs what reconfig needs: the superuser, or WRITE on "
                f"/zookeeper/config ({type(error).__name__})"
            ) from error
        except ClientError as error:
            what = "ask again to see who leads: " if error.outcome is Outcome.UNKNOWN else ""
            raise Refused(f"{server}: {what}{error}") from error
        finally:
            await client.close(timeout=1.0)
    raise Refused("; ".join(f"{server}: {why}" for server, why in asked.items()))


async def _listed(client: AsyncClient[bytes]) -> list[Server]:
    """Where the configuration says that clients are served; it may say nothing."""
    try:
        text = (await client.get_config()).data
        ensemble = parse_ensemble_text(text, "the ensemble's configuration")
    except (ClientError, ConfigError):
        return []
    found = (client_address(each) for each in ensemble.servers.values())
    return [server for server in found if server is not None]
