"""The table of every zoo.cfg key: type, default, status and one line of documentation.

Theory of operation. ``KEYS`` is the one place that knows a key. The parser, the warnings, ``zoo
config`` and docs/CONFIGURATION.md all read it; Config has one attribute per ``field`` named here (a
test compares the two). A key may be written with or without the prefix ``zookeeper.``: ZooKeeper
turns keys it does not know itself into Java system properties with that prefix, so both spellings
are found in real files and in real manuals. A name that ends in ``.*`` stands for a family of keys
(server.1, ssl.keyStore.location).
"""

from __future__ import annotations

import difflib
import re

from zoo.config_keys_ensemble import ENSEMBLE_KEYS
from zoo.config_keys_other import OTHER_KEYS
from zoo.config_keys_server import SERVER_KEYS
from zoo.config_row import Key

PREFIX = "zookeeper."

KEYS: tuple[Key, ...] = (*SERVER_KEYS, *ENSEMBLE_KEYS, *OTHER_KEYS)
_BY_NAME = {key.name: key for key in KEYS if not key.name.endswith("*")}
_FAMILIES = [(key.name[:-1], key) for key in KEYS if key.name.endswith("*")]


def find_key(written: str) -> Key | None:
    """The row of a key as written in a file or option (prefix allowed), or None."""
    for name in (written, written.removeprefix(PREFIX)):
        if (key := _BY_NAME.get(name)) is not None:
            return key
        for family, key in _FAMILIES:
            if name.startswith(family) and len(name) > len(family):
                return key
    return None


def canonical(written: str) -> str:
    """The name under which a key is stored: without the prefix ``zookeeper.``."""
    return written.removeprefix(PREFIX)


def closest_key(written: str) -> str | None:
    """The known key that a misspelled one most resembles, or None."""
    name = canonical(written)
    lowered = {known.lower(): known for known in _BY_NAME}
    # Case first: a key that differs in nothing else is certainly the one that was meant.
    if name.lower() in lowered:
        return lowered[name.lower()]
    # People leave out the first words of a long name: superDigest, checkIntervalMs.
    squeezed = {known.rpartition(".")[2]: known for known in lowered if len(known) > 12}
    squeezed |= {re.sub(r"[._-]", "", known): known for known in lowered}
    match = difflib.get_close_matches(re.sub(r"[._-]", "", name.lower()), squeezed, 1, 0.75)
    return lowered[squeezed[match[0]]] if match else None
