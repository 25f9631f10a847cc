"""The table of all commands, by the names of ZooKeeper's own command line.

Only click is loaded here: `zoo --help` and the start of a one-shot command shall be quick.
"""

from __future__ import annotations

from types import ModuleType

import click

from zoo.shell.table import (
    FILE,
    Entry,
    flag,
    normal,
    path,
    stat_flag,
    value,
    version_option,
    watch_flag,
    word,
)


def _reading() -> ModuleType:
    from zoo.shell import reading

    return reading


def _writing() -> ModuleType:
    from zoo.shell import writing

    return writing


def _transactions() -> ModuleType:
    from zoo.shell import transactions

    return transactions


def _quotas() -> ModuleType:
    from zoo.shell import quotas

    return quotas


def _following() -> ModuleType:
    from zoo.shell import following

    return following


def _administering() -> ModuleType:
    from zoo.shell import administering

    return administering


def _exporting() -> ModuleType:
    from zoo.shell import exporting

    return exporting


def _importing() -> ModuleType:
    from zoo.shell import importing

    return importing


def _top() -> ModuleType:
    from zoo.shell import top

    return top


_file = value("--file", "file", "Take the data from a file; - is standard input.", FILE)
_acl = click.Argument(["acl"], required=False)
_limits = (
    ("-n", "count", "Znodes, a soft limit: overstepping it is logged."),
    ("-b", "size", "Bytes of data, a soft limit."),
    ("-N", "hard_count", "Znodes, a hard limit (enforceQuota)."),
    ("-B", "hard_size", "Bytes of data, a hard limit."),
)

_READING = (
    Entry(
        "ls",
        _reading,
        "List the children of a znode.",
        (
            stat_flag(),
            watch_flag(),
            flag("-R", "recursive", "All below it, a path a line."),
            path(),
        ),
    ),
    Entry(
        "get",
        _reading,
        "Print the data of a znode.",
        (
            stat_flag(),
            watch_flag(),
            flag("-b", "as_base64", "In base64."),
            flag("-x", "as_hex", "As a hex dump; so is binary data on a terminal."),
            value("-o --output", "output", "The exact bytes into a file; - is stdout.", FILE),
            path(),
        ),
    ),
    Entry("stat", _reading, "Print the Stat of a znode.", (watch_flag(), path())),
    Entry(
        "tree",
        _reading,
        "Draw a subtree.",
        (
            value("-L --depth", "depth", "So many levels; what is below is counted.", int),
            flag("-c --counts", "counts", "How many znodes are below each."),
            flag("-d --data", "data", "The beginning of the data."),
            path(default="/"),
        ),
    ),
    Entry("getAcl", _reading, "Print the ACL of a znode.", (stat_flag(), path())),
    Entry("getAllChildrenNumber", _reading, "Count the znodes below one, at any depth.", (path(),)),
    Entry("getEphemerals", _reading, "List this session's ephemeral znodes.", (path(default="/"),)),
    Entry("sync", _reading, "Let later reads see all earlier writes.", (path(default="/"),)),
)

_WRITING = (
    Entry(
        "create",
        _writing,
        "Create a znode; the ACL is scheme:id:perms,...",
        (
            flag("-s", "sequence", "Sequential: ten digits are appended."),
            flag("-e", "ephemeral", "Ephemeral: it goes with its session."),
            flag("-c", "container", "A container: deleted after its last child was."),
            value("-t", "ttl", "Time to live in ms, while it has no children.", click.IntRange(1)),
            flag("-p --parents", "parents", "Create missing parents, too."),
            _file,
            path(),
            word("data", required=False),
            _acl,
        ),
    ),
    Entry(
        "set",
        _writing,
        "Replace the data of a znode.",
        (
            stat_flag(),
            version_option(),
            flag("-b", "as_base64", "The data is given in base64."),
            _file,
            path(),
            word("data", required=False),
        ),
    ),
    Entry("delete", _writing, "Delete a znode without children.", (version_option(), path())),
    Entry(
        "deleteall",
        _writing,
        "Delete a znode and all below it.",
        (value("-b", "batch", "Deletes in one transaction.", int, default=1000), path()),
    ),
    Entry(
        "setAcl",
        _writing,
        "Set the ACL of a znode: scheme:id:perms,...",
        (
            stat_flag(),
            value("-v", "version", "Only if this is its aclVersion.", int, default=-1),
            flag("-R", "recursive", "On all below it, too."),
            path(),
            word("acl"),
        ),
    ),
    Entry(
        "multi",
        _transactions,
        "Collect create, set, delete and check, a line each, and commit all or none.",
        (_file,),
    ),
)

_QUOTAS = (
    Entry("listquota", _quotas, "Print the quota of a subtree, and its use.", (path(),)),
    Entry(
        "setquota",
        _quotas,
        "Limit a subtree.",
        (*(value(opt, name, text, click.IntRange(0)) for opt, name, text in _limits), path()),
    ),
    Entry(
        "delquota",
        _quotas,
        "Remove limits of a subtree; all of them unless some are named.",
        (*(flag(opt, name, text.partition(",")[0]) for opt, name, text in _limits), path()),
    ),
)

_WATCHING = (
    Entry(
        "watch",
        _following,
        "Follow a znode and all below it: each change as it comes, with the data.",
        (
            flag("--single", "single", "This znode and its list of children only."),
            flag("--no-data", "no_data", "Do not read what changed."),
            value("-n", "number", "End after so many events.", click.IntRange(1)),
            value(
                "--buffer",
                "buffer",
                "Events that may wait here before they are dropped, and that is said.",
                click.IntRange(1),
                default=10_000,
                show_default=True,
            ),
            path(),
        ),
    ),
    Entry(
        "addWatch",
        _following,
        "Watch for good, and print events between other commands.",
        (
            value(
                "-m",
                "mode",
                "Which kind of watch.",
                click.Choice(["PERSISTENT", "PERSISTENT_RECURSIVE"], case_sensitive=False),
                default="PERSISTENT_RECURSIVE",
                show_default=True,
            ),
            path(),
        ),
        is_one_shot=False,
    ),
    Entry(
        "removewatches",
        _following,
        "Take the watches off a znode.",
        (
            flag("-c", "children", "On its children."),
            flag("-d", "data", "On its data."),
            flag("-p", "persistent", "Persistent ones."),
            flag("-r", "recursive", "Persistent recursive ones."),
            flag("-a", "all_kinds", "All kinds; so it is when none is named."),
            flag("-l", "local", "For compatibility; has no effect."),
            path(),
        ),
        is_one_shot=False,
    ),
    Entry(
        "printwatches",
        _administering,
        "Shall events be printed?",
        (click.Argument(["setting"], type=click.Choice(["on", "off"]), required=False),),
        is_one_shot=False,
        needs_session=False,
    ),
)

_SUBTREES = (
    Entry(
        "export",
        _exporting,
        "Write a subtree to a file: data, ACLs, kinds, with a checksum.",
        (
            value("-o --output", "output", "The file; .gz compresses. Else stdout.", FILE),
            flag("--no-acl", "no_acl", "Leave the ACLs out."),
            path(),
        ),
    ),
    Entry(
        "import",
        _importing,
        "Create what a file of export holds, here or below another path.",
        (
            flag("--dry-run", "dry_run", "Say what would be done."),
            value(
                "--on-conflict",
                "conflict",
                "When a znode exists with other data or ACL; fail: before anything is written.",
                click.Choice(["fail", "skip", "overwrite"]),
                default="fail",
                show_default=True,
            ),
            flag("--no-acl", "no_acl", "Give all znodes an open ACL."),
            flag("--ephemerals", "ephemerals", "Import ephemeral znodes, as persistent ones."),
            click.Argument(["source"], type=FILE, metavar="FILE"),
            click.Argument(["path"], type=click.UNPROCESSED, required=False),
        ),
    ),
)

_ADMINISTERING = (
    Entry(
        "top",
        _top,
        "Watch an ensemble: roles, zxids, lag, latencies, requests per second.",
        (
            flag("--once", "once", "One look, then end."),
            value(
                "--interval",
                "interval",
                "Seconds between looks.",
                click.FloatRange(0.05),
                default=1.0,
                show_default=True,
            ),
        ),
        needs_session=False,
    ),
    Entry(
        "config",
        _administering,
        "Print the ensemble's configuration.",
        (stat_flag(), watch_flag(), flag("-c", "clients", "Addresses for clients only.")),
        is_one_shot=False,
    ),
    Entry(
        "reconfig",
        _administering,
        "Change the ensemble's members.",
        (
            stat_flag(),
            value("-v", "version", "Only if this is the configuration's version (hex)."),
            value("-file", "file", "All members, from a file.", FILE),
            value("-members", "members", "All members: server.N=...,..."),
            value("-add", "add", "Who joins: server.N=...,..."),
            value("-remove", "remove", "Ids of those who leave, with commas."),
        ),
        is_one_shot=False,
    ),
    Entry("whoami", _administering, "Print the identities of this session."),
    Entry(
        "addauth",
        _administering,
        "Prove an identity: addauth digest name:password.",
        (word("scheme"), word("credentials", required=False)),
        is_one_shot=False,
    ),
    Entry(
        "connect",
        _administering,
        "Connect to other servers, or anew.",
        (word("hosts", required=False),),
        is_one_shot=False,
        needs_session=False,
    ),
    Entry("close", _administering, "End the session.", is_one_shot=False, needs_session=False),
    Entry(
        "version",
        _administering,
        "Print the version of this program.",
        is_one_shot=False,
        needs_session=False,
    ),
    Entry(
        "history",
        _administering,
        "List the last lines, for redo.",
        is_one_shot=False,
        needs_session=False,
    ),
    Entry(
        "redo",
        _administering,
        "Do a line of the history again.",
        (click.Argument(["number"], type=int),),
        is_one_shot=False,
        needs_session=False,
    ),
    Entry(
        "help",
        _administering,
        "List the commands, or explain one.",
        (word("command", required=False),),
        is_one_shot=False,
        needs_session=False,
    ),
    Entry("quit", _administering, "End.", is_one_shot=False, needs_session=False),
    Entry("exit", _administering, "End.", is_one_shot=False, needs_session=False),
)

COMMANDS: dict[str, Entry] = {
    entry.name: entry
    for entry in (*_READING, *_WRITING, *_QUOTAS, *_WATCHING, *_SUBTREES, *_ADMINISTERING)
}
_BY_NORMAL_NAME = {normal(name): entry for name, entry in COMMANDS.items()}


def find(name: str) -> Entry:
    """Raises click.UsageError."""
    entry = _BY_NORMAL_NAME.get(normal(name))
    if entry is None:
        from difflib import get_close_matches

        near = get_close_matches(name, COMMANDS, 1)
        hint = f"did you mean {near[0]}?" if near else "`help` lists the commands"
        raise click.UsageError(f"there is no command {name!r}; {hint}")
    return entry


def one_shot(name: str) -> Entry | None:
    """The command that `zoo NAME` runs, if there is one."""
    entry = _BY_NORMAL_NAME.get(normal(name))
    return entry if entry is not None and entry.is_one_shot else None
