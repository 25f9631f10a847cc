from __future__ import annotations

from zoo.zab.replica import Leading, Learning, Replica, SnapshotStream


def test_what_zab_asks_of_the_service_is_listed_here() -> None:
    def methods(protocol: type) -> set[str]:
        return {name for name in vars(protocol) if not name.startswith("_")}

    assert methods(Learning) >= {"forward", "revalidate"}
    assert methods(Leading) >= {"proposed", "next_zxid", "propose", "propose_run", "sync"}
    assert methods(Replica) >= {"deliver", "commit_to", "start_leading", "stop_serving"}


def test_a_snapshot_stream_names_its_zxid() -> None:
    stream = SnapshotStream(7, iter([b"a", b"b"]))
    assert (stream.zxid, b"".join(stream.pieces)) == (7, b"ab")
