"""Change several files as one: a crash leaves all of them as they were, or the change is finished.

Theory of operation. What is to be done is written down first, in a note (`installing.<zxid>` or
`truncating.<zxid>`): a finished snapshot to publish, files to remove, a log to cut. Each of that
can be done twice. Once the note is durable the change has happened, as far as anybody can tell:
who opens a storage that has such a note finishes it before anything else is read, and the note goes
last. Before the note is durable nothing has been touched.

Nothing else may write while a change is under way, so that the note stays true.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from zoo import zxid as zxids
from zoo.persistence.storage import TEMPORARY_PREFIX, Storage, StorageFailed

INSTALLING = "installing."
TRUNCATING = "truncating."


class Change(NamedTuple):
    """`publish` names a finished, unpublished snapshot; `cut` is a log and its new size.

    `remove` is removed in this order, each file durably before the next.
    """

    publish: str | None
    remove: tuple[str, ...]
    cut: tuple[str, int] | None


def change_steps(storage: Storage, kind: str, zxid: int, change: Change) -> Iterator[str]:
    """Make a change, one durable step at a time; yields what each has done.

    `kind` is INSTALLING or TRUNCATING. Raises StorageFailed.
    """
    note = kind + zxids.hex_digits(zxid)
    storage.write_note(note, _encode(change))
    yield f"wrote {note}"
    yield from _finish(storage, note, change)


def settle(storage: Storage) -> list[str]:
    """What every opening of a storage begins with: finish a change that was begun, and remove the
    files that never became complete. Returns what was done for a change. Raises StorageFailed.
    """
    # A killed server's last note or epoch may be there in the page cache alone. Who acts on it must
    # not lose it to a power failure afterwards.
    storage.sync_names()
    done: list[str] = []
    for kind in (INSTALLING, TRUNCATING):
        for note in storage.notes(kind):
            content = storage.read_note(note)
            assert content is not None, note
            done += [f"found {note}", *_finish(storage, note, _decode(note, content))]
    for name in storage.unfinished():
        storage.remove(name)
    return done


def _finish(storage: Storage, note: str, change: Change) -> Iterator[str]:
    if change.publish is not None:
        final = change.publish.removeprefix(TEMPORARY_PREFIX)
        if change.publish in storage.unfinished():
            storage.publish(change.publish)
            yield f"published {final}"
        elif all(snapshot.name != final for snapshot in storage.snapshots()):
            raise StorageFailed("finish", note, f"{final} is neither there nor about to be")
    sizes = {log.name: log.size for log in storage.logs()}
    there = sizes.keys() | {snapshot.name for snapshot in storage.snapshots()}
    for name in change.remove:
        if name in there:
            storage.remove(name)
            storage.sync_names()
            yield f"removed {name}"
    if change.cut is not None and change.cut[0] in sizes:
        storage.truncate_log(*change.cut)
        yield f"cut {change.cut[0]}"
    storage.remove(note)
    storage.sync_names()
    yield f"removed {note}"


def _encode(change: Change) -> bytes:
    lines = [f"remove {name}" for name in change.remove]
    if change.publish is not None:
        lines.insert(0, f"publish {change.publish}")
    if change.cut is not None:
        lines.append(f"cut {change.cut[0]} {change.cut[1]}")
    return "".join(line + "\n" for line in lines).encode()


def _decode(note: str, content: bytes) -> Change:
    publish, remove, cut = None, [], None
    for line in content.decode("utf-8", "replace").splitlines():
        match line.split(" "):
            case ["publish", name]:
                publish = name
            case ["remove", name]:
                remove.append(name)
            case ["cut", name, size] if size.isdigit():
                cut = (name, int(size))
            case _:
                raise StorageFailed("read", note, f"{line!r} is no step of a change")
    return Change(publish, tuple(remove), cut)
