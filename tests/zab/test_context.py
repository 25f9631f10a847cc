from __future__ import annotations

from zoo.zab.context import Epochs, Settings


def test_the_defaults_are_zookeepers() -> None:
    settings = Settings()
    assert (settings.tick_ms, settings.init_limit, settings.sync_limit) == (2000, 10, 5)
    assert settings.max_data == 0xFFFFF


def test_epochs_can_be_told_apart() -> None:
    epochs = Epochs(accepted=3, current=2)
    epochs.current = epochs.accepted
    assert epochs == Epochs(3, 3)
