"""Command line of the differential campaign; exit status 1 when the servers differ."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.interop import harness
from tests.interop.differential import campaign
from tests.interop.differential.campaign import Finding, Pair
from tests.interop.differential.generator import Generator
from tests.interop.differential.lockstep import shown


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.interop.differential")
    parser.add_argument("--seed", type=int, default=1, help="first seed")
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--left", choices=harness.KINDS, default="java")
    parser.add_argument("--right", choices=harness.KINDS, default="zoo")
    parser.add_argument("--enforce-quota", action="store_true", help="hard quotas on both servers")
    parser.add_argument("--stop-after", type=int, default=10, help="kinds of difference")
    parser.add_argument("--show", action="store_true", help="print the stream of --seed and end")
    parser.add_argument("--replay", type=Path, help="run a saved stream instead")
    parser.add_argument("--save", type=Path, help="directory for shrunk streams that differ")
    return parser.parse_args()


def _workdir() -> str | None:
    """Memory, when there is some: the campaign is not about the disk."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _print(signature: str, finding: Finding) -> None:
    print(f"\n# {signature}\n# seed {finding.seed}")
    print(shown(finding.steps, finding.difference), flush=True)


def _replay(pair: Pair, path: Path) -> int:
    steps = campaign.load(path)
    difference = pair.check(steps)
    print(shown(steps, difference))
    return int(difference is not None)


def main() -> int:
    args = _arguments()
    if args.show:
        print(shown(Generator(args.seed, args.enforce_quota).steps()))
        return 0
    for kind in (args.left, args.right):
        if reason := harness.missing(kind):
            sys.exit(reason)
    settings = {"enforceQuota": "true"} if args.enforce_quota else {}
    with tempfile.TemporaryDirectory(dir=_workdir()) as tmp:
        pair = Pair((args.left, args.right), Path(tmp), **settings)
        with pair.running():
            if args.replay:
                return _replay(pair, args.replay)
            seeds = range(args.seed, args.seed + args.streams)
            report = campaign.run(pair, seeds, args.stop_after, _print)
    for signature, finding in report.findings.items():
        print(f"# in {finding.count} streams: {signature}")
        if args.save:
            args.save.mkdir(parents=True, exist_ok=True)
            campaign.save(args.save / f"seed-{finding.seed}.json", finding.steps, signature)
    print(f"\n{report.rate()}, {len(report.findings)} kinds of difference")
    return int(bool(report.findings))


if __name__ == "__main__":
    sys.exit(main())
