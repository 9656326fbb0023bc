"""The compose file is one, stays on this machine, and names files and configuration that exist."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas.configuration import load_configuration

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
COMPOSE = DEPLOY / "compose.yaml"


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())["services"]
    return found


def test_it_follows_the_compose_specification() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_port_is_on_this_machine_alone(services: dict[str, Any]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports and all(port.startswith("127.0.0.1:") for port in ports)


def test_images_are_pinned(services: dict[str, Any]) -> None:
    images = {service["image"] for service in services.values()} - {"weir:local"}
    assert all(":" in image and not image.endswith(":latest") for image in images)
    assert "apache/kafka:4.1.0" in images, "as deploy/kafka/pom.xml has it"
    assert "<version>4.1.0</version>" in (DEPLOY / "kafka" / "pom.xml").read_text()


def test_mounted_files_exist(services: dict[str, Any]) -> None:
    mounts = [mount for service in services.values() for mount in service.get("volumes", []) if mount.startswith("./")]
    assert mounts and all((DEPLOY / mount.split(":")[0]).is_file() for mount in mounts)
    assert (DEPLOY / "Dockerfile").is_file() and (DEPLOY / "compose" / "prepare.sh").is_file()


def test_its_configuration_is_the_default_with_connections(services: dict[str, Any], tmp_path: Path) -> None:
    joined = tmp_path / "weir.yaml"
    default = DEPLOY / "config" / "default.yaml"
    joined.write_text(default.read_text() + (DEPLOY / "compose" / "connections.yaml").read_text())
    configuration = load_configuration(joined)
    assert configuration.kafka.bootstrap_servers == "kafka:19092"
    assert {"clickhouse", "kafka"} <= set(services)
    assert str(configuration.clickhouse.dsn).endswith("@clickhouse:8123/")
    assert configuration.portfolios == load_configuration(default).portfolios


def test_prometheus_asks_services_that_exist(services: dict[str, Any]) -> None:
    jobs = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"]
    hosts = {target.split(":")[0] for job in jobs for place in job["static_configs"] for target in place["targets"]}
    assert hosts <= {*services, "127.0.0.1"}
