"""The key table as text: docs/CONFIGURATION.md (zoo config keys --markdown) and a plain list."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from zoo.config_keys import KEYS
from zoo.config_row import STATUS_DOC, Key, Status
from zoo.config_values import ANY

_HEAD = """# Configuration

<!-- Made from the key table in src/zoo/config_keys*.py by: zoo config keys --markdown -->

Zoo reads ZooKeeper's `zoo.cfg`: `zoo serve /etc/zookeeper/zoo.cfg`. Without a file it listens on
127.0.0.1:2181 and keeps its data in `./zoo-data`. `zoo config check FILE` prints what a file
amounts to and where each value comes from; `--set KEY=VALUE` (repeatable) overrides any key.

- The syntax is that of Java properties: `key=value`, `key: value` or `key value`; `#` or `!`
  begins a comment line; a backslash at the end continues a line; `\\t`, `\\n`, `\\\\` and
  `\\u00e9` are escapes.
- Every key may be written with or without the prefix `zookeeper.`.
- Integers are decimal, or hexadecimal behind `0x`. `true` and `false` may be in any case.
- A wrong value stops the start with one line that names file, line, key, value and what is allowed,
  and exit code 2. An unknown key is a warning that names the closest known one.
- Where Zoo's default is safer than ZooKeeper's, the table says so: clients are served on the
  loopback address until `clientPortAddress` is set, old snapshots are purged, and the harmless
  four-letter words are answered.
- Nothing can turn off what protects acknowledged writes: `forceSync=no` and
  `snapshot.trust.empty=true` are refused. So is a key that would restrict access but is not
  supported yet; ignoring it would serve clients that were meant to be refused.

The status of a key:

"""
_NAMES = {
    Status.SUPPORTED: "supported",
    Status.ENSEMBLE: "ensemble",
    Status.LATER: "later",
    Status.JVM: "Java only",
}


def markdown() -> str:
    """The whole of docs/CONFIGURATION.md."""
    statuses = "".join(f"- *{_NAMES[status]}*: {text}.\n" for status, text in STATUS_DOC.items())
    return _HEAD + statuses + "".join(_sections())


def _sections() -> Iterator[str]:
    for group, keys in groupby(KEYS, lambda key: key.group):
        rows = list(keys)
        if rows[0].status in (Status.SUPPORTED, Status.ENSEMBLE):
            yield f"\n## {group}\n\n| key | default | allowed | meaning |\n|---|---|---|---|\n"
            for key in rows:
                cells = (f"`{key.name}`", _default(key), _allowed(key), key.doc)
                yield f"| {' | '.join(map(_cell, cells))} |\n"
        else:
            title = group if rows[0].status is Status.JVM else f"{group} (later)"
            yield f"\n## {title}\n\n| key | meaning |\n|---|---|\n"
            for key in rows:
                yield f"| `{key.name}` | {_cell(_meaning(key))} |\n"


def _default(key: Key) -> str:
    if key.default is None:
        return "unset"
    shown = f"`{key.default}`" if key.default else "empty"
    return shown if key.theirs is None else f"{shown} (ZooKeeper: `{key.theirs}`)"


def _allowed(key: Key) -> str:
    refused = "".join(f"; {value} is refused" for value in key.refused)
    least = "" if key.raise_to is None else f"; less than {key.raise_to} counts as {key.raise_to}"
    return key.kind.allowed + refused + least


def _meaning(key: Key) -> str:
    return key.doc + "".join(f" `{value}` is refused." for value in key.refused)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def plain() -> str:
    """One line per key: name, default, status, meaning."""
    width = max(len(key.name) for key in KEYS)
    lines = []
    for key in KEYS:
        default = "" if key.kind is ANY else f" [{'' if key.default is None else key.default}]"
        status = "" if key.status is Status.SUPPORTED else f" ({_NAMES[key.status]})"
        lines.append(f"{key.name:{width}}{status}{default} {key.doc}")
    return "\n".join(lines) + "\n"
