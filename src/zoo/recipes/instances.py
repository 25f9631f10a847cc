"""What a registry knows of one instance of a service, and how a znode holds it.

The layout is that of Curator's x-discovery: `<base>/<service>/<id>`, ephemeral, holding its JSON,
so either side finds the other's instances. Curator's `enabled` is our `Health.UP`; what it has no
field for (weight, draining, metadata) goes into the payload, as a map for Curator's side. An
instance without any of that has a null payload, as Curator users without a payload class expect.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from zoo.client.outside import outside
from zoo.recipes.ring import check_weight

_MAP_CLASS = "java.util.LinkedHashMap"  # what Curator's reader shall make of our payload
_OURS = ("@class", "weight", "health")


class Health(Enum):
    """May an instance be chosen?"""

    UP = "up"
    DRAINING = "draining"
    """It finishes what it has and wants nothing new."""
    DOWN = "down"


@dataclass(frozen=True)
class Instance:
    """One process that offers a service. The `id` is unique within the service."""

    service: str
    address: str
    port: int | None
    id: str = field(default_factory=lambda: outside().unique_name())
    weight: float = 1.0
    health: Health = Health.UP
    metadata: Mapping[str, Any] = field(default_factory=dict, hash=False)
    tls_port: int | None = None
    registered_ms: int = field(
        default_factory=lambda: int(outside().wall_time() * 1000), compare=False
    )
    """When it came, in milliseconds since 1970, by its own clock."""

    def __post_init__(self) -> None:
        for what, name in (("service", self.service), ("id", self.id)):
            if not name or "/" in name:
                raise ValueError(f"the {what} {name!r} cannot be the name of a znode")
        check_weight(self.weight, self.id)

    def to_bytes(self) -> bytes:
        """Curator's JSON."""
        record = {
            "name": self.service,
            "id": self.id,
            "address": self.address,
            "port": self.port,
            "sslPort": self.tls_port,
            "payload": self._payload(),
            "registrationTimeUTC": self.registered_ms,
            "serviceType": "DYNAMIC",
            "uriSpec": None,
            "enabled": self.health is Health.UP,
        }
        return json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode()

    def _payload(self) -> dict[str, Any] | None:
        payload: dict[str, Any] = {}
        if self.weight != 1.0:
            payload["weight"] = self.weight
        if self.health is Health.DRAINING:
            payload["health"] = self.health.value
        if self.metadata:
            payload["metadata"] = dict(self.metadata)
        return {"@class": _MAP_CLASS, **payload} if payload else None

    @classmethod
    def from_bytes(cls, data: bytes) -> Instance:
        """Ours or Curator's. Raises ValueError for what is neither."""
        try:
            record = json.loads(data)
            payload = record.get("payload")
            given = payload if isinstance(payload, Mapping) else {}
            return cls(
                service=str(record["name"]),
                address=str(record["address"]),
                port=_port(record.get("port")),
                id=str(record["id"]),
                weight=float(given.get("weight", 1.0)),
                health=_health(record.get("enabled", True), given),
                metadata=_metadata(given),
                tls_port=_port(record.get("sslPort")),
                registered_ms=int(record.get("registrationTimeUTC") or 0),
            )
        except (KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise ValueError(f"not an instance of a service: {error!r}") from error


def _port(value: object) -> int | None:
    return int(value) if isinstance(value, int | str) else None


def _health(enabled: object, payload: Mapping[str, Any]) -> Health:
    if enabled:
        return Health.UP
    return Health.DRAINING if payload.get("health") == Health.DRAINING.value else Health.DOWN


def _metadata(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """Ours; of a foreign payload its `metadata` if it has such a map, else all of it."""
    inner = payload.get("metadata")
    if isinstance(inner, Mapping):
        return dict(inner)
    return {key: value for key, value in payload.items() if key not in _OURS}
