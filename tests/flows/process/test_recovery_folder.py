"""One cluster for a recovery folder, and what a change of configuration or code may follow on."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from flows.errors import ClusterLocked, InvalidInput, SnapshotIncompatible, WeirError
from flows.process import recovery_folder
from flows.process.recovery_folder import MARKER_FILE, RecoveryFolder


def test_a_second_cluster_is_refused_and_told_who_holds_the_folder(tmp_path: Path) -> None:
    with (
        RecoveryFolder(tmp_path / "state", 2),
        pytest.raises(ClusterLocked, match=f"process {os.getpid()} on {socket.gethostname()}"),
        RecoveryFolder(tmp_path / "state", 2),
    ):
        pass
    with RecoveryFolder(tmp_path / "state", 2):
        pass


def test_the_lock_is_held_until_the_last_process_of_the_cluster_is_gone(tmp_path: Path) -> None:
    """A supervisor may be killed while a process of its cluster still writes."""
    folder = RecoveryFolder(tmp_path / "state", 2)
    with folder:
        child = subprocess.Popen(
            [sys.executable, "-c", "import sys; sys.stdin.read()"],
            stdin=subprocess.PIPE,
            pass_fds=(folder.descriptor,),
        )
    with pytest.raises(ClusterLocked), RecoveryFolder(tmp_path / "state", 2):
        pass
    child.communicate()
    with RecoveryFolder(tmp_path / "state", 2):
        pass


def test_after_an_unclean_stop_configuration_and_code_must_be_the_same(tmp_path: Path) -> None:
    with RecoveryFolder(tmp_path, 2) as folder:
        folder.begin("configuration 1", "code 1", 4)
        folder.begin("configuration 1", "code 1", 4)
        with pytest.raises(SnapshotIncompatible, match="did not end cleanly, so its config_hash is needed"):
            folder.begin("configuration 2", "code 1", 4)
        with pytest.raises(SnapshotIncompatible, match="its code version is needed to go on: it was code 1"):
            folder.begin("configuration 1", "code 2", 4)


def test_after_a_clean_stop_both_may_change(tmp_path: Path) -> None:
    with RecoveryFolder(tmp_path, 2) as folder:
        folder.begin("configuration 1", "code 1", 4)
        folder.end()
        folder.begin("configuration 2", "code 2", 4)
        with pytest.raises(SnapshotIncompatible):
            folder.begin("configuration 1", "code 1", 4)


def test_another_number_of_key_groups_asks_for_a_repartition(tmp_path: Path) -> None:
    with RecoveryFolder(tmp_path, 2) as folder:
        folder.begin("configuration", "code", 4)
        folder.end()
        with pytest.raises(SnapshotIncompatible, match="holds 4 key groups, the configuration says 8"):
            folder.begin("configuration", "code", 8)


def test_a_marker_of_an_unknown_version_is_refused(tmp_path: Path) -> None:
    with RecoveryFolder(tmp_path, 2) as folder:
        folder.begin("configuration", "code")
        text = (tmp_path / MARKER_FILE).read_text()
        (tmp_path / MARKER_FILE).write_text(text.replace('"version":1', '"version":99'))
        with pytest.raises(SnapshotIncompatible, match="version 99 is unknown, this code reads 1"):
            folder.begin("configuration", "code")


def test_a_full_disk_is_named_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery_folder, "NEEDED_BYTES", 1 << 62)
    with pytest.raises(WeirError, match="no space left on its disk"), RecoveryFolder(tmp_path, 2):
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput, match="name a folder that can be written"), RecoveryFolder(tmp_path / "file", 2):
        pass
