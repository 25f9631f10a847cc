from __future__ import annotations

from zoo.config_keys_ensemble import ENSEMBLE_KEYS
from zoo.config_row import Status


def test_all_belong_to_the_ensemble() -> None:
    assert {(key.status, key.group) for key in ENSEMBLE_KEYS} == {(Status.ENSEMBLE, "Ensemble")}


def test_members_are_families_of_keys() -> None:
    families = [key.name for key in ENSEMBLE_KEYS if key.name.endswith("*")]
    assert families == ["server.*", "group.*", "weight.*"]
