"""`zoo serve`: from a configuration to a running server and to its exit code."""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import os
import platform
import resource
import signal
import socket
import sys
from pathlib import Path
from typing import Any, NoReturn

from zoo import __version__
from zoo.config import Config
from zoo.config_properties import ConfigError
from zoo.persistence.epochs import EpochsUnusable, is_first_sync_unfinished
from zoo.persistence.recovery import NoUsableSnapshot
from zoo.persistence.snapshot import InvalidSnapshot
from zoo.persistence.storage import StorageFailed
from zoo.persistence.truncation import CannotTruncate
from zoo.persistence.txn_log import CorruptLog
from zoo.runtime.data_dir import DataDirError, DataDirs, may_start_empty, prepare
from zoo.runtime.driver import DiskHangs, Driver
from zoo.runtime.file_storage import FileStorage
from zoo.runtime.loading import Loaded, UndecodableTxn, load, reload, write_snapshot
from zoo.runtime.member_driver import MemberDriver
from zoo.runtime.membership import configuration_files, make_member
from zoo.runtime.peers import PortUnusable
from zoo.runtime.turn_loop import TurnLoop
from zoo.server.core_view import CoreView, HostFacts
from zoo.server.four_letter_words import full_version
from zoo.server.view import ServerConf
from zoo.tree.acl import UnknownAclError
from zoo.zab.history import History

log = logging.getLogger("zoo.server")

EXIT_OK = 0
EXIT_UNEXPECTED = 1
EXIT_INVOCATION = 2
EXIT_DATA_DIR = 3
EXIT_QUORUM_PORT = 14
_BACKLOG = 512
_NO_SUCH_FAMILY = (errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT)


_UNUSABLE_DATA = (
    DataDirError,
    StorageFailed,
    CorruptLog,
    NoUsableSnapshot,
    InvalidSnapshot,
    UnknownAclError,
    UndecodableTxn,
    EpochsUnusable,
    CannotTruncate,
)


class _CannotListen(Exception):
    """The client port cannot be opened; the text says which and why."""


def serve(config: Config) -> int:
    """Run a server until SIGTERM or SIGINT; returns ZooKeeper's exit codes."""
    if config.client_port is None and not config.is_distributed:
        log.error("no clientPort is configured: nobody could connect")
        return EXIT_INVOCATION
    try:
        return _serve(config)
    except _CannotListen as error:
        log.error("%s", error)
        return EXIT_UNEXPECTED
    except ConfigError as error:
        log.error("%s", error)
        return EXIT_INVOCATION
    except _UNUSABLE_DATA as error:
        log.error("%s", error)
        return EXIT_DATA_DIR
    except KeyboardInterrupt:
        log.error("interrupted before serving")
        return EXIT_UNEXPECTED
    except Exception:
        log.critical("stopping after an internal error", exc_info=True)
        return EXIT_UNEXPECTED


def _serve(config: Config) -> int:
    log_dir = Path(config.data_log_dir) if config.data_log_dir != config.data_dir else None
    dirs = prepare(Path(config.data_dir), log_dir, autocreate=config.datadir_autocreate)
    storage = FileStorage(
        dirs.snapshots,
        dirs.logs,
        compression=config.snapshot_compression,
        preallocation=config.pre_alloc_size_bytes,
    )
    sockets: list[socket.socket] = []
    try:
        # Taking the port first lets a second server fail at once and not after minutes of loading.
        sockets = _bind(config) if config.client_port is not None else []
        history = History(max_txns=config.commit_log_count) if config.is_distributed else None
        loaded = _load(config, dirs, storage, history)
        _listen(config, sockets)
        _quiet_collector()
        with asyncio.Runner(loop_factory=TurnLoop) as runner:
            return runner.run(_run(config, dirs, storage, loaded, sockets, history))
    finally:
        for sock in sockets:
            sock.close()
        storage.close()


def _load(config: Config, dirs: DataDirs, storage: FileStorage, history: History | None) -> Loaded:
    # Asked at every start: a file that was left over would excuse a loss of data some day.
    may_be_empty = may_start_empty(dirs, db_autocreate=config.db_autocreate)
    try:
        loaded = load(config, storage, history=history)
    except OSError as error:
        raise DataDirError(
            f"cannot read the data in {dirs.snapshots} or {dirs.logs}: {error}; see the kernel log "
            "for a failing disk"
        ) from error
    empty = loaded.fresh and loaded.snapshot is None
    if not may_be_empty and history is None and empty:
        raise DataDirError(
            f"{dirs.snapshots} holds no data and zookeeper.db.autocreate=false: create the file "
            "`initialize` in dataLogDir to begin empty, or restore a backup"
        )
    if not may_be_empty and history is not None and (empty or is_first_sync_unfinished(storage)):
        loaded.lacks_history = True
        log.warning(
            "%s holds no data, or not all of it, and zookeeper.db.autocreate=false: this server "
            "takes no part in elections until a leader has sent it everything. If the whole "
            "ensemble is new, create the file `initialize` in each dataLogDir and start again",
            dirs.snapshots,
        )
    elif loaded.snapshot is None and (empty or history is None):
        # What a member has logged may not be committed, and a snapshot holds nothing else.
        write_snapshot(loaded.core, storage)
    elif loaded.snapshot is not None and loaded.snapshot.zxid and not storage.logs():
        log.warning(
            "%s is there, but no transaction log is in %s: what was written after it is missing "
            "here, unless it was restored from a backup. Was dataLogDir another directory before?",
            loaded.snapshot.name,
            dirs.logs,
        )
    return loaded


async def _run(
    config: Config,
    dirs: DataDirs,
    storage: FileStorage,
    loaded: Loaded,
    sockets: list[socket.socket],
    history: History | None,
) -> int:
    core = loaded.core
    port = sockets[0].getsockname()[1] if sockets else -1
    core.view = CoreView(core, host_facts(config, dirs, port))
    driver = _driver(config, storage, loaded, sockets, history)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, driver, number)
    log.info(
        "Zoo %s serves %s at %s, data in %s: recovered zxid 0x%x, %d znodes, %d sessions "
        "in %.2f s (%s, %d transactions replayed)",
        __version__,
        "standalone" if history is None else f"as server {config.my_id} of an ensemble",
        ", ".join(_shown(sock) for sock in sockets) or "no client port",
        Path(config.data_dir).absolute(),
        core.tree.last_zxid,
        core.view.znode_count(),
        len(core.sessions),
        loaded.seconds,
        loaded.snapshot.name if loaded.snapshot else "no snapshot",
        loaded.replayed,
    )
    try:
        await driver.run()
    except (StorageFailed, DiskHangs) as failure:
        log.critical("stopping, nothing unlogged was acknowledged: %s", failure)
        return EXIT_UNEXPECTED
    except PortUnusable as failure:
        log.critical("stopping: %s; no other member could reach this server", failure)
        return EXIT_QUORUM_PORT
    except _UNUSABLE_DATA as failure:  # found when a leader had the log cut, and the state rebuilt
        log.critical("stopping: %s", failure)
        return EXIT_DATA_DIR
    except BaseException:
        log.critical("stopping after an internal error", exc_info=True)
        return EXIT_UNEXPECTED
    finally:
        if driver.disk_hangs:
            log.critical("the disk still hangs: leaving without closing the transaction log")
            _leave(EXIT_UNEXPECTED)
    log.info("stopped at zxid 0x%x", core.tree.last_zxid)
    return EXIT_OK


def _driver(
    config: Config,
    storage: FileStorage,
    loaded: Loaded,
    sockets: list[socket.socket],
    history: History | None,
) -> Driver:
    core = loaded.core
    if history is None:
        return Driver(core, storage, sockets)
    files = configuration_files(config)
    member, peer = make_member(config, storage, core, history, loaded.lacks_history, files)
    return MemberDriver(
        member,
        peer,
        storage,
        sockets,
        lambda: member.replace_state(*reload(config, storage, core)),
        files,
    )


def _stop(driver: Driver, number: int) -> None:
    name = signal.Signals(number).name
    if driver.stopping:
        log.warning("%s again: leaving at once; what was acknowledged is durable", name)
        _leave(EXIT_UNEXPECTED)
    log.info("%s: draining, then stopping", name)
    driver.stop()


def _leave(code: int) -> NoReturn:
    """End the process without waiting for anything, a thread in a system call least of all."""
    logging.shutdown()
    os._exit(code)


def _shown(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _bind(config: Config) -> list[socket.socket]:
    """Take the client port on every address that its name stands for. Raises _CannotListen."""
    host, port = config.client_port_address, config.client_port
    try:
        infos = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise _CannotListen(f"clientPortAddress={host}: {error.strerror}") from error
    sockets: list[socket.socket] = []
    unsupported: OSError | None = None
    for family, _, _, _, address in dict.fromkeys(infos):
        if sockets and not port:  # any free port, but the same on all addresses
            address = (address[0], sockets[0].getsockname()[1], *address[2:])
        try:
            sockets.append(_bound(family, address))
        except OSError as error:
            if error.errno in _NO_SUCH_FAMILY:  # a name may stand for IPv6 where there is none
                unsupported = error
                continue
            for opened in sockets:
                opened.close()
            raise _cannot_listen(address, error) from error
    if not sockets:
        raise _CannotListen(f"clientPortAddress={host}: {unsupported}")
    return sockets


def _bound(family: int, address: tuple[Any, ...]) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def _cannot_listen(address: tuple[Any, ...], error: OSError) -> _CannotListen:
    advice = {
        errno.EADDRINUSE: "; another server runs there, or this one does already",
        errno.EACCES: "; ports below 1024 need a privilege",
        errno.EADDRNOTAVAIL: "; no interface of this machine has that address",
    }.get(error.errno or 0, "")
    return _CannotListen(
        f"cannot listen on {address[0]} port {address[1]}: {error.strerror}{advice} (clientPort, "
        "clientPortAddress)"
    )


def _listen(config: Config, sockets: list[socket.socket]) -> None:
    backlog = config.client_port_listen_backlog
    for sock in sockets:
        try:
            sock.listen(backlog if backlog > 0 else _BACKLOG)
        except OSError as error:
            raise _cannot_listen(sock.getsockname(), error) from error


def _quiet_collector() -> None:
    """The core makes no reference cycles; a collection over a million znodes would stop the world
    for nothing.
    """
    gc.collect()
    gc.freeze()
    gc.disable()


def host_facts(config: Config, dirs: DataDirs, port: int) -> HostFacts:
    conf = ServerConf(
        client_port=port,
        data_dir=str(dirs.snapshots.absolute()),
        data_log_dir=str(dirs.logs.absolute()),
        tick_time=config.tick_time_ms,
        max_client_cnxns=config.max_client_cnxns,
        min_session_timeout=config.min_session_timeout_ms,
        max_session_timeout=config.max_session_timeout_ms,
        client_port_listen_backlog=config.client_port_listen_backlog,
    )
    environment = (
        ("host.name", socket.gethostname()),
        ("python.version", platform.python_version()),
        ("python.executable", sys.executable),
        ("os.name", platform.system()),
        ("os.arch", platform.machine()),
        ("os.version", platform.release()),
        ("user.dir", str(Path.cwd())),
    )
    return HostFacts(
        version=full_version(__version__),
        conf=conf,
        environment=environment,
        data_dir_size=lambda: _size(dirs.snapshots, "snapshot."),
        log_dir_size=lambda: _size(dirs.logs, "log."),
        open_file_descriptors=_open_descriptors,
        max_file_descriptors=lambda: resource.getrlimit(resource.RLIMIT_NOFILE)[0],
    )


def _size(directory: Path, prefix: str) -> int:
    """Bytes of the few files of one kind: one directory scan."""
    total = 0
    for entry in os.scandir(directory):
        if entry.name.startswith(prefix):
            try:
                total += entry.stat().st_size
            except FileNotFoundError:
                continue  # purged meanwhile
    return total


def _open_descriptors() -> int | None:
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        return None
