from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from zoo.config import Config
from zoo.config_properties import Origin, Setting
from zoo.persistence.epochs import EpochsUnusable, is_first_sync_unfinished
from zoo.runtime.config_file import load_config
from zoo.runtime.file_storage import FileStorage
from zoo.runtime.loading import load
from zoo.runtime.membership import election_settings, make_member, zab_settings
from zoo.zab.history import History
from zoo.zab.notification import parse_notification
from zoo.zab.vote import UNKNOWN_ZXID

MEMBERS = {f"server.{n}": f"h{n}:2888:3888" for n in (1, 2, 3)} | {"server.4": "o:1:2:observer"}


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "myid").write_text("2\n")
    given = {
        "dataDir": str(tmp_path),
        "clientPort": "2181",
        "tickTime": "500",
        "initLimit": "7",
        "syncLimit": "3",
        "jute.maxbuffer": "1000000",
        "fastleader.minNotificationInterval": "50",
        "fastleader.maxNotificationInterval": "5000",
        **MEMBERS,
    }
    return load_config(None, [Setting(k, v, Origin("test")) for k, v in given.items()])


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[FileStorage]:
    (tmp_path / "version-2").mkdir()
    made = FileStorage(tmp_path / "version-2", tmp_path / "version-2", preallocation=0)
    yield made
    made.close()


def test_the_settings_of_the_file_arrive(config: Config) -> None:
    settings = zab_settings(config)
    assert (settings.tick_ms, settings.init_limit, settings.sync_limit) == (500, 7, 3)
    assert settings.max_data >= 2_000_000, "a request of the full size does not fit in a proposal"
    election = election_settings(config)
    assert (election.min_interval_ms, election.max_interval_ms) == (50, 5000)


def test_a_member_is_what_the_file_and_the_disk_say(
    config: Config, storage: FileStorage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    history = History()
    loaded = load(config, storage, history=history)
    member, peer = make_member(config, storage, loaded.core, history)
    assert (member.my_id, peer.my_id) == (2, 2)
    assert peer.configurations.committed.text == config.ensemble.text().encode()
    assert list(peer.quorum.voters) == [1, 2, 3]
    assert (peer.epochs.accepted, peer.epochs.current) == (0, 0)
    assert peer.replica is member
    text = peer.configurations.committed.text
    assert loaded.core.tree.nodes[b"/zookeeper/config"][4:].startswith(text)
    assert "server 2 (participant) of 3 voters and 1 observers: history ends at 0x0" in caplog.text


def test_what_can_be_cut_is_told_from_the_files(config: Config, storage: FileStorage) -> None:
    history = History()
    loaded = load(config, storage, history=history)
    _, peer = make_member(config, storage, loaded.core, history)
    assert not peer.can_truncate(5)
    empty = storage.begin_snapshot(5)
    empty.commit()
    assert not peer.can_truncate(5), "there is a file, but not a snapshot in it"
    writer = storage.begin_snapshot(6)
    for chunk in loaded.core.begin_snapshot().chunks():
        writer.write(chunk)
    writer.commit()
    assert peer.can_truncate(6)
    assert not peer.can_truncate(5)


def test_who_may_have_lost_its_history_has_no_epoch_of_its_own(
    config: Config, storage: FileStorage
) -> None:
    history = History()
    loaded = load(config, storage, history=history)
    _, peer = make_member(config, storage, loaded.core, history, lacks_history=True)
    assert peer.lacks_history
    assert is_first_sync_unfinished(storage), "and so it is after a restart"
    peer.start(0)
    assert all(parse_notification(data).vote.zxid == UNKNOWN_ZXID for _, data in peer.mesh_out)
    assert len(peer.mesh_out) == 2


def test_epochs_without_their_history_are_refused(config: Config, storage: FileStorage) -> None:
    storage.write_note("acceptedEpoch", b"3")
    storage.write_note("currentEpoch", b"4")
    history = History()
    with pytest.raises(EpochsUnusable, match="currentEpoch is 4"):
        load(config, storage, history=history)
