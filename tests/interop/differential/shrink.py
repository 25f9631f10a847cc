"""Drop what a failing stream does not need, while the same difference stays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.interop.differential.generator import Step
from tests.interop.differential.lockstep import DIED, Check, Difference

MAX_RUNS = 400
MAX_DEATHS = 20  # each costs a start of two servers


class Shrinker:
    """Delta debugging on steps, then on the requests in a burst and the operations in a multi."""

    def __init__(self, check: Check, signature: str) -> None:
        self._check = check
        self._signature = signature
        self._runs = 0
        self._limit = MAX_DEATHS if signature.startswith(DIED) else MAX_RUNS

    def shrink(
        self, steps: Sequence[Step], difference: Difference
    ) -> tuple[list[Step], Difference]:
        best, found = list(steps[: difference.step + 1]), difference
        while self._runs < self._limit:
            for candidate in self._smaller(best):
                self._runs += 1
                again = self._check(candidate)
                if again is not None and again.signature() == self._signature:
                    best, found = candidate[: again.step + 1], again
                    break
                if self._runs >= self._limit:
                    break
            else:
                break
        return best, found

    def _smaller(self, steps: list[Step]) -> Iterator[list[Step]]:
        size = max(len(steps) // 2, 1)
        while True:
            for start in range(0, len(steps), size):
                yield steps[:start] + steps[start + size :]
            if size == 1:
                break
            size //= 2
        for index, step in enumerate(steps):
            for simpler in _simpler_steps(step):
                yield [*steps[:index], simpler, *steps[index + 1 :]]


def _simpler_steps(step: Step) -> Iterator[Step]:
    requests = step.get("requests", [])
    if len(requests) > 1:
        size = max(len(requests) // 2, 1)
        while True:
            for start in range(0, len(requests), size):
                yield {**step, "requests": requests[:start] + requests[start + size :]}
            if size == 1:
                break
            size //= 2
    for index, (op, args, *mangle) in enumerate(requests):
        for nth in range(len(args.get("ops", ()))):
            fewer = {**args, "ops": args["ops"][:nth] + args["ops"][nth + 1 :]}
            changed = [*requests[:index], [op, fewer, *mangle], *requests[index + 1 :]]
            yield {**step, "requests": changed}
