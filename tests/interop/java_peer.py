"""Put Apache ZooKeeper 3.9.5 on this machine, to test against.

    python -m tests.interop.java_peer [DEST]     fill DEST/lib and DEST/lib-3.8 with jars (once)

The jars come out of the PySpark source distribution on PyPI, which ships them; those of 3.8.0 out
of Debian's package, which is unpacked, not installed. DEST defaults to where the harness looks for
them. `harness.Server("java", ...)` and `"java38"` run them; Java 11 or newer.
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


def _download(directory: str) -> tuple[Path | None, str]:
    """Debian's package into the directory, or what apt-get said."""
    command = ["apt-get", "-qq", "download", "libzookeeper-java"]
    got = subprocess.run(command, cwd=directory, capture_output=True)
    return next(Path(directory).glob("*.deb"), None), got.stderr.decode(errors="replace")[-200:]


def fetch_old(dest: Path) -> str:
    """Debian's ZooKeeper 3.8.0 into dest/lib-3.8, unless it is there; why it is not, or ""."""
    lib = dest / "lib-3.8"
    if any(lib.glob("zookeeper-3.8*.jar")):
        return ""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        return "3.8.0 comes as a Debian package, and this is no Debian"
    with tempfile.TemporaryDirectory() as tmp:
        package, why = _download(tmp)
        if package is None:
            subprocess.run(["apt-get", "-qq", "update"], capture_output=True)
            package, why = _download(tmp)
        if package is None:
            return f"3.8.0 cannot be fetched: {why}"
        subprocess.run(["dpkg-deb", "-x", str(package), tmp], check=True)
        jars = Path(tmp) / "usr/share/java"
        if not any(jars.glob("zookeeper-3.8*.jar")):
            return f"{package.name} is another version than 3.8"
        lib.mkdir(parents=True, exist_ok=True)
        for jar in (*jars.glob("zookeeper-3.8*.jar"), *jars.glob("zookeeper-jute-3.8*.jar")):
            shutil.copyfile(jar, lib / jar.name)
    return ""


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else harness.JAVA_HOME_DIR
    fetch(target)
    if lacking := fetch_old(target):
        print(lacking)
    print(target)
