"""From a configuration and what the disk holds to a member of an ensemble and its peer."""

from __future__ import annotations

import logging
from pathlib import Path
from random import SystemRandom

from zoo import zxid as zxids
from zoo.config import Config
from zoo.config_properties import ConfigError
from zoo.persistence.storage import Storage
from zoo.persistence.truncation import can_truncate
from zoo.runtime.configuration_files import Directory, FileConfigurations
from zoo.runtime.loading import load_epochs
from zoo.server.core import ServerCore
from zoo.server.member import Member
from zoo.zab.configurations import Configurations, configuration_of
from zoo.zab.context import Settings
from zoo.zab.election import ElectionSettings
from zoo.zab.history import History
from zoo.zab.log_queue import LogQueue
from zoo.zab.peer import Peer

log = logging.getLogger("zoo.ensemble")


def make_member(
    config: Config,
    storage: Storage,
    core: ServerCore,
    history: History,
    lacks_history: bool = False,
    files: FileConfigurations | None = None,
) -> tuple[Member, Peer]:
    """`history` is what the core's tree was loaded from. `lacks_history`: see zoo.zab.peer. Where
    `files` keep configurations, they may change.

    Raises EpochsUnusable, StorageFailed, ConfigError.
    """
    my_id, ensemble = config.my_id, config.ensemble
    assert my_id is not None, "a member without a number"
    last = core.tree.last_zxid
    epochs = load_epochs(storage, last, lacks_history)
    committed = configuration_of(ensemble)
    member = Member(core, my_id, committed.text, ensemble.version)
    peer = Peer(
        my_id,
        committed.quorum,
        member,
        rng=SystemRandom(),
        log=LogQueue(last),
        history=history,
        epochs=epochs,
        settings=zab_settings(config),
        election=election_settings(config),
        can_truncate=lambda zxid: can_truncate(storage, zxid, log.warning),
        lacks_history=lacks_history,
        feeds_observers=config.observer_master_port > 0,
        configurations=Configurations(
            committed, None if files is None else files.seen(), files is not None
        ),
    )
    member.join(peer)
    log.info(
        "server %d (%s) of %d voters and %d observers: history ends at %s, epochs accepted %d, "
        "current %d",
        my_id,
        config.peer_type,
        len(ensemble.voters),
        len(ensemble.observers),
        zxids.to_hex(last),
        epochs.accepted,
        epochs.current,
    )
    return member, peer


def configuration_files(config: Config) -> FileConfigurations | None:
    """Where changes of the configuration are kept; None if there are to be none.

    Raises ConfigError.
    """
    if not config.reconfig_enabled:
        return None
    if config.source is None or config.my_id is None:
        raise ConfigError(None, "reconfigEnabled", "true", "needs a file to keep changes in")
    file = Path(config.source)
    return FileConfigurations(
        Directory(file.parent), file.name, config.my_id, config.ensemble.version
    )


def zab_settings(config: Config) -> Settings:
    return Settings(
        tick_ms=config.tick_time_ms,
        init_limit=config.init_limit,
        sync_limit=config.sync_limit,
        # A transaction is larger than its request: header, Stat, digest.
        max_data=config.jute_max_buffer + config.jute_max_buffer_extra,
        max_missed=config.observer_master_size_limit,
        reconnect_delay_ms=config.observer_reconnect_delay_ms,
    )


def election_settings(config: Config) -> ElectionSettings:
    return ElectionSettings(
        min_interval_ms=config.min_notification_interval_ms,
        max_interval_ms=config.max_notification_interval_ms,
    )
