"""Two sides through one stream, step by step; the first difference ends it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.interop.differential.generator import Step
from tests.interop.differential.side import Side
from tests.interop.differential.wire import SILENT

DIED = "a server died"
_roots = itertools.count()


@dataclass(frozen=True)
class Difference:
    """Where two servers disagree; `step` is an index, or the stream's length for its end."""

    step: int
    where: str
    left: Any
    right: Any

    def signature(self) -> str:
        """Equal for differences that are probably the same one."""
        if self.where == DIED:
            return f"{DIED}: {self.left} or {self.right}"
        return _signature(self.left, self.right)


class Lockstep:
    """Runs streams on a pair of sides, one after the other."""

    def __init__(self, left: Side, right: Side) -> None:
        self._sides = (left, right)

    def fresh(self) -> Difference | None:
        """Compare what servers without any history hold; later, shared counters are relative."""
        trees = []
        for side in self._sides:
            side.begin(_root(), absolute=True)
            trees.append(side.tree())
            side.end()
        if trees[0] == trees[1]:
            return None
        return Difference(0, "a fresh tree", *_only_different(*trees))

    def run(self, steps: Sequence[Step]) -> Difference | None:
        """None when the two agree throughout, up to the tree they leave behind."""
        root = _root()
        for side in self._sides:
            side.begin(root)
        try:
            difference = self._steps(steps) or self._ending(len(steps))
            if difference is not None:
                for index in range(max(side.session_count() for side in self._sides)):
                    self._reap_where_known(index)
                for side in self._sides:
                    side.tree()
            for side in self._sides:
                side.end()
            return difference
        finally:
            for side in self._sides:
                side.abandon()

    def _steps(self, steps: Sequence[Step]) -> Difference | None:
        for index, step in enumerate(steps):
            for side in self._sides:
                side.send(step)
            left, right = (side.receive(step) for side in self._sides)
            if left != right:
                return Difference(index, "answer", left, right)
            if not _needs_barrier(step):
                continue
            for side in self._sides:
                side.ping_all()
            heard = [_unordered(side.collect(), step) for side in self._sides]
            if heard[0] != heard[1]:
                return Difference(index, "what the clients heard after it", *heard)
        return None

    def _ending(self, index: int) -> Difference | None:
        """Close every session there ever was, then compare the trees."""
        left, right = (side.session_count() for side in self._sides)
        if left != right:
            return Difference(index, "number of sessions", left, right)
        for session in range(left):
            answers = [side.reap(session) for side in self._sides]
            if answers[0] != answers[1]:
                return Difference(index, f"closing session{session}", *answers)
        trees = [side.tree() for side in self._sides]
        if trees[0] != trees[1]:
            return Difference(index, "the tree at the end", *_only_different(*trees))
        return None

    def _reap_where_known(self, index: int) -> None:
        for side in self._sides:
            if index < side.session_count():
                side.reap(index)


def _root() -> str:
    """A new root, always as long: a mangled byte must hit the same field in every run."""
    return f"/~{next(_roots):06d}~"


def _needs_barrier(step: Step) -> bool:
    if step["do"] != "send":
        return True
    return not all(request[0] in SILENT for request in step["requests"])


def _unordered(heard: dict[str, list[Any]], step: Step) -> dict[str, list[Any]]:
    """A closed session's ephemerals go in hash order: then events compare as a multiset."""
    if not any(request[0] == "close" for request in step.get("requests", ())):
        return heard
    return {client: sorted(frames, key=repr) for client, frames in heard.items()}


def _only_different(left: dict[str, Any], right: dict[str, Any]) -> tuple[Any, Any]:
    paths = [path for path in {**left, **right} if left.get(path) != right.get(path)]
    return tuple({path: tree.get(path) for path in paths} for tree in (left, right))  # type: ignore


def _signature(left: Any, right: Any) -> str:
    """The first place where two nested values differ, without paths and numbers of the moment."""
    place: list[str] = []
    while type(left) is type(right) and isinstance(left, dict | list | tuple):
        if isinstance(left, dict):
            keys = [
                key for key in {**left, **right} if left.get(key, place) != right.get(key, place)
            ]
            place.append("node" if keys[0].startswith("/") or keys[0] == "$R" else str(keys[0]))
            left, right = left.get(keys[0], "absent"), right.get(keys[0], "absent")
            continue
        if isinstance(left, tuple) and isinstance(left[0], str):
            place.append(":".join(str(word) for word in left[:2] if isinstance(word, str)))
        pairs = [*zip(left, right), (_next(left, right), _next(right, left))]
        left, right = next((a, b) for a, b in pairs if a != b)
    shown = [repr(_kind(value))[:60] for value in (left, right)]
    return " > ".join([*place, f"{shown[0]} or {shown[1]}"])


def _next(values: Sequence[Any], others: Sequence[Any]) -> Any:
    """What the longer of two sequences has where the other ends."""
    return values[len(others)] if len(values) > len(others) else "nothing"


def _kind(value: Any) -> Any:
    """Offsets of zxids, owners and paths say only what they are."""
    if isinstance(value, tuple) and value:
        return value[0]
    if not isinstance(value, str):
        return value
    value = "0x..." if len(value) > 3 and value.startswith("0x") else value
    value = "+n" if value.startswith("+") else value
    return "path" if "/" in value else value


def shown(steps: Sequence[Step], difference: Difference | None = None) -> str:
    """A stream as a readable script, the difference under the step that shows it."""
    lines = []
    for index, step in enumerate(steps):
        lines.append(_step_text(step))
        if difference is not None and difference.step == index:
            lines += _difference_text(difference)
    if difference is not None and difference.step == len(steps):
        lines += _difference_text(difference)
    return "\n".join(lines)


def _step_text(step: Step) -> str:
    client = f"client {step['slot']}"
    if step["do"] == "send":
        requests = [_request_text(*request) for request in step["requests"]]
        return f"{client}: " + "\n        + ".join(requests)
    rest = ", ".join(f"{k}={v!r}" for k, v in step.items() if k not in ("do", "slot"))
    return f"{client}: [{step['do']}] {rest}"


def _request_text(op: str, args: dict[str, Any], *mangle: Any) -> str:
    words = []
    for name, value in args.items():
        if name == "ops":
            words.append("[" + "; ".join(_request_text(*sub) for sub in value) + "]")
        elif value == [(31, "world", "anyone")] or value == [[31, "world", "anyone"]]:
            words.append(f"{name}=OPEN")
        else:
            words.append(f"{name}={_brief(value)}")
    tail = f"  bytes {mangle[0]}" if mangle else ""
    return f"{op}({', '.join(words)}){tail}"


def _brief(value: Any) -> str:
    text = ascii(value)
    return text if len(text) < 90 else f"{text[:60]}... ({len(text)} characters)"


def _difference_text(difference: Difference) -> list[str]:
    return [
        f"    <<< {difference.where}",
        f"    left : {difference.left!a}",
        f"    right: {difference.right!a}",
    ]


Check = Callable[[Sequence[Step]], Difference | None]
