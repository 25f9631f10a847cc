from __future__ import annotations

from typing import Any

from zoo import recipes
from zoo.recipes import blocking

NO_TWIN_NEEDED = {
    *("HashRing", "NotHeldError", "Place", "Taken", "blocking"),
    *("Balancer", "ConsistentHash", "LeastUsed", "RoundRobin", "Weighted"),
    *("Decision", "Health", "InDoubtError", "Instance", "NoInstanceError", "Refused"),
}


def test_each_recipe_has_a_twin_with_the_same_methods() -> None:
    def public(cls: Any) -> set[str]:
        return {name for name in dir(cls) if not name.startswith("_")}

    for name in set(recipes.__all__) - NO_TWIN_NEEDED:
        wanted = public(getattr(recipes, name)) - {"lost", "place"} - public(tuple)
        missing = {each for each in wanted - public(getattr(blocking, name)) if each != "get"}
        assert not missing, f"{name}: {missing}"


def test_a_method_is_described_where_its_twin_is() -> None:
    assert blocking.Lock.acquire.__doc__ == recipes.Lock.acquire.__doc__
    assert blocking.Lock.acquire.__doc__
