"""All studies of recipes, and the plan of a campaign of one: `zoo simulate --recipes Lock`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from zoo.sim.checking import Violation
from zoo.sim.client_loop_world import ProgramWorld
from zoo.sim.cluster_scenario import ClusterScenario
from zoo.testing.simulated import Run
from zoo.testing.simulated_barriers import BARRIERS
from zoo.testing.simulated_commits import COMMITS
from zoo.testing.simulated_configs import CONFIGS
from zoo.testing.simulated_copies import COPIES
from zoo.testing.simulated_leases import LEASES
from zoo.testing.simulated_locks import LOCKS
from zoo.testing.simulated_nodes import NODES
from zoo.testing.simulated_queues import QUEUES
from zoo.testing.simulated_services import SERVICES
from zoo.testing.simulated_study import Study
from zoo.testing.simulated_values import VALUES

STUDIES: dict[str, type[Study]] = {
    study.NAME: study
    for study in (
        *(*LOCKS, *LEASES, *BARRIERS, *QUEUES),
        *(*VALUES, *COPIES, *CONFIGS, *NODES, *COMMITS, *SERVICES),
    )
}


class StudyWorld(ProgramWorld):
    """A world with the programs of a study, which is checked at its end."""

    def __init__(
        self,
        seed: int,
        study: Study,
        servers: int,
        trace: Callable[[str], None] | None = None,
    ) -> None:
        drawn = partial(ClusterScenario.drawn, voters=servers)
        super().__init__(seed, study.programs(), drawn=drawn, trace=trace)
        self._study = study

    def run(self, duration_us: int) -> None:
        super().run(duration_us)
        try:
            self._study.check(Run(self))
        except AssertionError as error:
            raise Violation(f"{self._study.NAME}: {error}") from error


@dataclass(frozen=True)
class RecipePlan:
    """`servers` is the number of voters, 0 for what the seed draws."""

    duration_us: int
    recipe: str
    servers: int = 0

    def world(self, seed: int, trace: Callable[[str], None] | None = None) -> StudyWorld:
        return StudyWorld(seed, STUDIES[self.recipe](), self.servers, trace)

    def options(self) -> str:
        words = f"--recipes {self.recipe} --duration {self.duration_us // 1000}ms"
        return f"{words} --servers {self.servers}" if self.servers else words
