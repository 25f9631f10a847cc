"""The configuration of a server: text of zoo.cfg in, one frozen Config out.

Theory of operation. Settings come from up to four places, later ones win: the built-in defaults of
the key table, the file, the dynamic file (members only), and options. ``build_config`` looks every
setting up in the table, parses its value, and then checks what concerns several keys at once. It
collects what deserves a word (unknown, unsupported or doubled keys, values raised to a minimum) in
``Config.warnings`` and stops at the first wrong value with a ConfigError that names file, line,
key, value and what is allowed. No flag may trade acknowledged data away: such values are refused
with the reason (the ``refused`` column of the table).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from zoo.config_ensemble import Ensemble, is_loopback, is_member_key, parse_ensemble
from zoo.config_keys import KEYS, canonical, closest_key, find_key
from zoo.config_properties import ConfigError, Origin, Setting, parse_properties, printable
from zoo.config_row import Key, Status
from zoo.config_values import FOUR_LETTER_WORDS, INT_MAX, parse_int

__all__ = ["Config", "ConfigError", "Origin", "Setting", "build_config", "config_from", "effective"]

BUILT_IN = Origin("built-in default")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything a server is told. Times in ms, sizes in bytes; see docs/CONFIGURATION.md by key.

    ``None`` means unset. ``snap_size_limit_bytes`` and ``txn_log_size_limit_bytes``: 0 is no limit.
    ``client_port`` None: no client port; 0: any free port.
    """

    # Basic
    data_dir: str
    data_log_dir: str
    client_port: int | None
    client_port_address: str
    client_port_listen_backlog: int
    tick_time_ms: int
    min_session_timeout_ms: int
    max_session_timeout_ms: int
    # Limits
    max_client_cnxns: int
    max_cnxns: int
    jute_max_buffer: int
    jute_max_buffer_extra: int
    global_outstanding_limit: int
    large_request_threshold: int
    large_request_max_bytes: int
    sessionless_cnxn_timeout_ms: int
    client_tcp_keep_alive: bool
    # Storage
    snap_count: int
    snap_size_limit_bytes: int
    txn_log_size_limit_bytes: int
    pre_alloc_size_bytes: int
    commit_log_count: int
    snapshot_compression: str
    snap_retain_count: int
    purge_interval_ms: int
    fsync_warning_threshold_ms: int
    digest_enabled: bool
    serialize_last_processed_zxid_enabled: bool
    close_session_txn_enabled: bool
    datadir_autocreate: bool
    db_autocreate: bool
    # Znodes
    extended_types_enabled: bool
    emulate_353_ttl_nodes: bool
    container_check_interval_ms: int
    container_max_per_minute: int
    container_max_never_used_interval_ms: int
    enforce_quota: bool
    # Authentication
    skip_acl: bool
    digest_auth_enabled: bool
    super_digest: str | None = field(repr=False)
    digest_algorithm: str
    # Observation
    four_letter_words: tuple[str, ...]
    # Ensemble
    dynamic_config_file: str | None
    init_limit: int
    sync_limit: int
    connect_to_learner_master_limit: int
    peer_type: str
    standalone_enabled: bool
    reconfig_enabled: bool
    quorum_listen_on_all_ips: bool
    leader_serves: bool
    local_sessions_enabled: bool
    local_sessions_upgrading_enabled: bool
    read_only_mode_enabled: bool
    cnx_timeout_ms: int
    quorum_cnxn_timeout_ms: int
    election_port_bind_retry: int
    tcp_keep_alive: bool
    min_notification_interval_ms: int
    max_notification_interval_ms: int
    multi_address_enabled: bool
    observer_master_port: int
    observer_master_size_limit: int
    observer_reconnect_delay_ms: int
    # Not in the table: what the members, myid and the sources say.
    ensemble: Ensemble
    my_id: int | None = None
    source: str | None = None
    """The file that it was read from."""
    settings: Mapping[str, Setting] = field(default_factory=dict, compare=False, repr=False)
    warnings: tuple[str, ...] = field(default=(), compare=False, repr=False)

    @property
    def is_distributed(self) -> bool:
        """True if this server is to run as a member of an ensemble."""
        voters = len(self.ensemble.voters)
        return voters > 1 or (voters == 1 and not self.standalone_enabled)


class _Builder:
    """Collects the values of one Config; exists only while build_config runs."""

    def __init__(self) -> None:
        self.settings: dict[str, Setting] = {}
        self.unknown: list[Setting] = []
        self.warnings: list[str] = []

    def warn(self, setting: Setting, key: Key | None, message: str) -> None:
        # The value of an unknown key is not shown: it may be a misspelled password.
        value = key.show(setting.value, setting.key) if key else ""
        shown = f"{setting.key}={printable(value)}" if value else setting.key
        self.warnings.append(f"{setting.origin}: {shown}: {message}")

    def add(self, setting: Setting) -> None:
        """File one setting under its canonical name; the last one wins."""
        key = find_key(setting.key)
        if key is None:
            self.unknown.append(setting)
            near = closest_key(setting.key)
            hint = f"; did you mean {near}?" if near else ""
            self.warn(setting, None, f"unknown key, ignored{hint}")
            return
        name = canonical(setting.key)
        earlier = self.settings.get(name)
        # An option that replaces a line of the file is meant; a second line in the file may not be.
        if earlier is not None and setting.origin.line is not None:
            self.warn(setting, key, f"replaces the value given in {earlier.origin}")
        self.settings[name] = setting

    def notice(self, key: Key, setting: Setting) -> None:
        """Say what the status of the key means for this setting; refuse what would cost data."""
        value = setting.value.lower()
        if value in key.refused:
            raise ConfigError(setting.origin, setting.key, setting.value, key.refused[value])
        if value in key.warned:
            self.warn(setting, key, key.warned[value])
        if setting.value in key.harmless or value in key.harmless:
            return
        if key.status is Status.LATER:
            self.warn(setting, key, "not supported yet, ignored")
        elif key.status is Status.JVM:
            self.warn(setting, key, "has no meaning without ZooKeeper's Java server, ignored")

    def value(self, key: Key) -> Any:
        """The typed value of a key with a field: as set, or its default, or None."""
        setting = self.settings.get(key.name)
        if setting is None:
            return None if key.default is None else key.kind.parse(key.default)
        value = parse_value(key, setting)
        if key.raise_to is not None and isinstance(value, int) and value < key.raise_to:
            self.warn(setting, key, f"too small, {key.raise_to} is used")
            return key.raise_to
        return value

    def fail(self, name: str, problem: str) -> ConfigError:
        """An error about a combination of keys, placed where ``name`` was set (or nowhere)."""
        setting = self.settings.get(name)
        if setting is not None:
            return ConfigError(setting.origin, setting.key, setting.value, problem)
        for misspelled in self.unknown:
            if closest_key(misspelled.key) == name:
                return ConfigError(
                    misspelled.origin,
                    misspelled.key,
                    misspelled.value,
                    f"{name} {problem}; misspelled?",
                )
        return ConfigError(None, name, None, problem)


def parse_value(key: Key, setting: Setting) -> object:
    """The typed value of one setting. Raises ConfigError; never shows a secret."""
    try:
        return key.kind.parse(setting.value)
    except ValueError:
        shown = key.show(setting.value, setting.key)
        raise ConfigError(
            setting.origin, setting.key, shown, f"must be {key.kind.allowed}"
        ) from None


def last_value(settings: Iterable[Setting], name: str) -> Setting | None:
    """The setting of ``name`` that counts, before anything is checked; None if there is none."""
    found = None
    for setting in settings:
        if canonical(setting.key) == name:
            found = setting
    return found


def build_config(
    settings: Sequence[Setting],
    *,
    dynamic: Sequence[Setting] | None = None,
    dynamic_version: int = 0,
    my_id: int | None = None,
) -> Config:
    """Check all settings and make one Config of them.

    ``settings``: file first, then options, in order. ``dynamic``: the settings of the dynamic
    configuration file, if there is one. ``my_id``: the number in dataDir/myid. Raises ConfigError.
    """
    builder = _Builder()
    for setting in settings:
        builder.add(setting)
    for name, setting in builder.settings.items():
        key = find_key(name)
        assert key is not None
        builder.notice(key, setting)
        if not key.field and key.status in (Status.SUPPORTED, Status.ENSEMBLE):
            parse_value(key, setting)
    values = {key.field: builder.value(key) for key in KEYS if key.field}
    _derive(builder, values)
    values["ensemble"] = _members(builder, values, dynamic, dynamic_version)
    _derive_client_address(builder, values, my_id)
    config = Config(
        **values, my_id=my_id, settings=builder.settings, warnings=tuple(builder.warnings)
    )
    return _checked_ensemble(builder, config)


def config_from(pairs: Mapping[str, object]) -> Config:
    """A Config of key -> value pairs, for embedding: ``{"dataDir": d, "clientPort": 0}``."""
    origin = Origin("config_from")
    return build_config([Setting(key, str(value), origin) for key, value in pairs.items()])


def parse_zoo_cfg(text: str, source: str = "zoo.cfg") -> Config:
    """Config of the text of a single zoo.cfg. Raises ConfigError."""
    return build_config(parse_properties(text, source))


def _derive(builder: _Builder, values: dict[str, Any]) -> None:
    """Fill in the values that depend on other keys, and check them against each other."""
    if values["data_dir"] is None:
        raise builder.fail("dataDir", "is not set")
    if values["data_log_dir"] is None:
        values["data_log_dir"] = values["data_dir"]
    if values["client_port"] is None and "clientPortAddress" in builder.settings:
        raise builder.fail("clientPortAddress", "is set but clientPort is not")
    if values["jute_max_buffer_extra"] is None:
        values["jute_max_buffer_extra"] = values["jute_max_buffer"]
    for name in ("snap_size_limit_bytes", "txn_log_size_limit_bytes"):
        values[name] = max(values[name], 0)
    tick = values["tick_time_ms"]
    for name, ticks in (("min_session_timeout_ms", 2), ("max_session_timeout_ms", 20)):
        if values[name] == -1:
            values[name] = min(tick * ticks, INT_MAX)
    low, high = values["min_session_timeout_ms"], values["max_session_timeout_ms"]
    if low > high:
        name = (
            "minSessionTimeout" if "minSessionTimeout" in builder.settings else "maxSessionTimeout"
        )
        raise builder.fail(
            name, f"minSessionTimeout {low} must not exceed maxSessionTimeout {high}"
        )
    always = {"srvr", "isro"} if values["read_only_mode_enabled"] else {"srvr"}
    enabled = always | set(values["four_letter_words"])
    values["four_letter_words"] = tuple(word for word in FOUR_LETTER_WORDS if word in enabled)


def _members(
    builder: _Builder, values: dict[str, Any], dynamic: Sequence[Setting] | None, version: int
) -> Ensemble:
    """The ensemble from the dynamic file if there is one, else from zoo.cfg itself."""
    own = [setting for name, setting in builder.settings.items() if is_member_key(name)]
    if values["dynamic_config_file"] is None:
        return parse_ensemble(own, values["multi_address_enabled"])
    if own:
        first = own[0]
        raise ConfigError(
            first.origin,
            first.key,
            first.value,
            "must stand in the file that dynamicConfigFile names",
        )
    latest: dict[str, Setting] = {}
    for setting in dynamic or ():
        if not is_member_key(setting.key):
            problem = "a dynamic configuration file may hold server, group and weight lines only"
            if setting.key == "version":
                problem = "the version is the end of the file's name, not a line in it"
            raise ConfigError(setting.origin, setting.key, setting.value, problem)
        latest[setting.key] = setting
    return parse_ensemble(latest.values(), values["multi_address_enabled"], version)


def _derive_client_address(builder: _Builder, values: dict[str, Any], my_id: int | None) -> None:
    """A client address in this member's server line counts; zoo.cfg may only repeat it."""
    server = values["ensemble"].servers.get(my_id)
    if server is not None and server.client is not None:
        host, port = server.client
        given = builder.settings.get("clientPort")
        if given is not None and values["client_port"] != port:
            raise builder.fail("clientPort", f"differs from client port {port} in server.{my_id}")
        address = builder.settings.get("clientPortAddress")
        if address is not None and address.value not in (host, "0.0.0.0", "::"):
            raise builder.fail("clientPortAddress", f"differs from {host} in server.{my_id}")
        values["client_port"], values["client_port_address"] = port, host
    if values["client_port"] is None:
        near = next((s for s in builder.unknown if closest_key(s.key) == "clientPort"), None)
        place = f" ({near.origin} has {near.key})" if near else ""
        builder.warnings.append(f"clientPort is not set: no client can connect{place}")


def _checked_ensemble(builder: _Builder, config: Config) -> Config:
    ensemble = config.ensemble
    if not config.is_distributed:
        if ensemble.observers:
            raise ConfigError(None, "server", None, "observers need at least two participants")
        if not config.standalone_enabled:
            raise builder.fail("standaloneEnabled", "without it, server lines are needed")
        return config
    for name, ticks in (("initLimit", config.init_limit), ("syncLimit", config.sync_limit)):
        if ticks == 0:
            raise builder.fail(name, "must be 1 or more when several servers are listed")
    if config.my_id is None:
        raise ConfigError(
            Origin(config.data_dir),
            "myid",
            None,
            "file is missing; it holds nothing but the number of this server's line server.N",
        )
    if config.my_id not in ensemble.servers:
        listed = ", ".join(map(str, ensemble.servers))
        raise ConfigError(
            Origin(config.data_dir), "myid", str(config.my_id), f"must be a listed server: {listed}"
        )
    if not 1 <= config.my_id <= 255:
        builder.warnings.append(
            f"myid={config.my_id} is not in 1..255: only its lowest byte tells the session ids of "
            "this server from those of others"
        )
    voters = len(ensemble.voters)
    if voters <= 2:
        builder.warnings.append(f"{voters} voting servers survive no failure; use at least 3")
    elif voters % 2 == 0 and not ensemble.groups:
        builder.warnings.append(
            f"{voters} voting servers survive no more failures than {voters - 1}"
        )
    server = ensemble.servers[config.my_id]
    role = server.role
    remote = not all(is_loopback(address.host) for address in server.addresses)
    if remote and server.client is None and "clientPortAddress" not in builder.settings:
        builder.warnings.append(
            "clients are served on 127.0.0.1 alone: set clientPortAddress (ZooKeeper's default is "
            "0.0.0.0)"
        )
    if "peerType" in builder.settings and role != config.peer_type:
        builder.warnings.append(f"peerType={config.peer_type} differs from server.{config.my_id}")
    return replace(config, peer_type=role, warnings=tuple(builder.warnings))


def parse_my_id(text: str, source: str) -> int:
    """The number in a myid file: its first line. Raises ConfigError."""
    first = text.split("\n", 1)[0].strip()
    try:
        return parse_int(first)
    except ValueError:
        raise ConfigError(Origin(source, 1), "myid", first, "must be an integer") from None


def effective(config: Config) -> list[tuple[Key, str, str, Origin]]:
    """(row, name, value as written, origin) of every key that has a value, secrets masked."""
    rows = []
    for key in KEYS:
        if key.name.endswith("*"):
            prefix = key.name[:-1]
            family = (name for name in config.settings if name.startswith(prefix))
            names = [name for name in family if find_key(name) is key]
        else:
            names = [key.name]
        for name in names:
            setting = config.settings.get(name)
            if setting is not None:
                rows.append((key, name, key.show(setting.value, name), setting.origin))
            elif key.default is not None:
                rows.append((key, name, key.default, BUILT_IN))
    return rows
