"""Put Apache ZooKeeper 3.9.5 on this machine, to test against.

    python -m tests.interop.java_peer [DEST]     fill DEST/lib, lib-3.8 and lib-discovery (once)

The jars come out of the PySpark source distribution on PyPI, which ships them; those of 3.8.0 and
of Curator's service discovery out of Debian's packages, which are unpacked, not installed.
DEST defaults to where the harness looks for them. `harness.Server("java", ...)` and `"java38"` run
them; Java 11 or newer.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from tests.interop import harness

PYSPARK = "pyspark==4.3.0"
WANTED = (
    *("zookeeper", "curator", "netty", "slf4j-api", "log4j-api", "log4j-core", "log4j-slf4j2"),
    *("snappy", "metrics-core", "commons-cli", "commons-io", "guava", "failureaccess"),
    *("jackson-core", "jackson-databind", "jackson-annotations"),
)
FOREIGN = ("windows", "osx", "aarch", "riscv")
LOG4J = """rootLogger.level=warn
rootLogger.appenderRef.c.ref=C
appender.c.type=Console
appender.c.name=C
appender.c.layout.type=PatternLayout
"""


def has_jars(dest: Path) -> bool:
    return any(dest.glob("lib/zookeeper-3.9*.jar"))


def fetch(dest: Path) -> None:
    """Download and unpack the jars into dest/lib, unless they are there."""
    if has_jars(dest):
        return
    (dest / "lib").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as tmp:
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", tmp, PYSPARK]
        subprocess.run(pip, check=True)
        with tarfile.open(next(Path(tmp).glob("pyspark-*.tar.gz"))) as tar:
            for member in tar:
                name = os.path.basename(member.name)
                wanted = "/jars/" in member.name and name.startswith(WANTED)
                stream = tar.extractfile(member) if wanted else None
                if stream is not None and not any(word in name for word in FOREIGN):
                    (dest / "lib" / name).write_bytes(stream.read())
    (dest / "log4j2.properties").write_text(LOG4J)


def _download(package: str, directory: str) -> tuple[Path | None, str]:
    """Debian's package into the directory, or what apt-get said."""
    command = ["apt-get", "-qq", "download", package]
    got = subprocess.run(command, cwd=directory, capture_output=True)
    return next(Path(directory).glob("*.deb"), None), got.stderr.decode(errors="replace")[-200:]


def _fetch_debian(package: str, jars: tuple[str, ...], lib: Path) -> str:
    """Some jars of a package into `lib`, unless they are there; why they are not, or ""."""
    if any(lib.glob(jars[0])):
        return ""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        return f"{jars[0]} comes in a Debian package, and this is no Debian"
    with tempfile.TemporaryDirectory() as tmp:
        file, why = _download(package, tmp)
        if file is None:
            subprocess.run(["apt-get", "-qq", "update"], capture_output=True)
            file, why = _download(package, tmp)
        if file is None:
            return f"{package} cannot be fetched: {why}"
        subprocess.run(["dpkg-deb", "-x", str(file), tmp], check=True)
        found = Path(tmp) / "usr/share/java"
        if not any(found.glob(jars[0])):
            return f"{file.name} has no {jars[0]}"
        lib.mkdir(parents=True, exist_ok=True)
        for jar in (jar for pattern in jars for jar in found.glob(pattern)):
            shutil.copyfile(jar, lib / jar.name)
    return ""


def fetch_old(dest: Path) -> str:
    """Debian's ZooKeeper 3.8.0 into dest/lib-3.8; why that is not so, or ""."""
    jars = ("zookeeper-3.8*.jar", "zookeeper-jute-3.8*.jar")
    return _fetch_debian("libzookeeper-java", jars, dest / "lib-3.8")


def fetch_discovery(dest: Path) -> str:
    """Curator's service discovery, which PySpark does not ship, into dest/lib-discovery."""
    jars = ("curator-x-discovery-5*.jar",)
    return _fetch_debian("libcurator-discovery-java", jars, dest / "lib-discovery")


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else harness.JAVA_HOME_DIR
    fetch(target)
    for lacking in filter(None, (fetch_old(target), fetch_discovery(target))):
        print(lacking)
    print(target)
