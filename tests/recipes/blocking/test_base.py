from __future__ import annotations

import sys
from typing import Any

from zoo import recipes
from zoo.recipes import blocking

NO_TWIN_NEEDED = {
    *("Balancer", "ConsistentHash", "LeastUsed", "RoundRobin", "Weighted"),
    *("Decision", "Health", "InDoubtError", "Instance", "NoInstanceError", "Refused"),
    *("CURATOR", "KAZOO", "Layout", "Revision", "Taken"),
    *("BadSettingsError", "NotHeldError", "HashRing", "Place", "blocking"),
}


def test_each_recipe_has_a_twin_with_the_same_methods() -> None:
    def public(cls: Any) -> set[str]:
        return {name for name in dir(cls) if not name.startswith("_")}

    for name in set(recipes.__all__) - NO_TWIN_NEEDED:
        wanted = public(getattr(recipes, name)) - {"lost", "place"} - public(tuple)
        missing = wanted - public(getattr(blocking, name))
        assert not missing, f"{name}: {missing}"


def test_a_method_is_described_where_its_twin_is() -> None:
    assert blocking.Lock.acquire.__doc__ == recipes.Lock.acquire.__doc__
    assert blocking.Lock.acquire.__doc__


def test_each_recipe_states_its_guarantee_and_what_to_do_when_the_session_is_gone() -> None:
    for name in set(recipes.__all__) - NO_TWIN_NEEDED:
        stated = sys.modules[getattr(recipes, name).__module__].__doc__ or ""
        missing = [word for word in ("Guarantee", "SUSPENDED", "LOST") if word not in stated]
        assert not missing, f"{name}: {missing}"
