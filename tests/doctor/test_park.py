"""`salambot park` and `unpark` against moto: what can be stopped is, once, and what cannot be is said."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.doctor.cloud import KEYS, REGION, Moto, furnish
from tests.doctor.wires import LOOPBACK, closed_port
from tests.stack import Project


@pytest.fixture
def rds(moto: Moto) -> Any:  # noqa: ANN401 - a client
    moto.reset()
    furnish(moto)
    return moto.client("rds")


def project_of(folder: Path, moto: Moto, host: str) -> Project:
    (folder / "salambot.toml").write_text('[placement]\npostgres = "cloud"\nredis = "cloud"\n')
    lines = {
        **KEYS,
        "AWS_REGION": REGION,
        "AWS_ENDPOINT_URL": moto.url,
        "POSTGRES_URL": f"postgres://u:sentinel@{host}:5432/salambot?sslmode=verify-full",
        "REDIS_URL": "rediss://:sentinel@cache.example:6379",
    }
    descriptor = os.open(folder / ".env", os.O_WRONLY | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.writelines(f"{name}={value}\n" for name, value in lines.items())
    return Project(folder)


def status_of(rds: Any, name: str = "salambot-demo") -> str:  # noqa: ANN401 - a client
    return str(rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]["DBInstanceStatus"])


def test_an_instance_is_stopped_and_started_once(tmp_path: Path, moto: Moto, rds: Any) -> None:  # noqa: ANN401
    host = rds.describe_db_instances()["DBInstances"][0]["Endpoint"]["Address"]
    project = project_of(tmp_path, moto, host)
    postgres, redis = project.json("park")["resources"]
    assert (postgres["id"], postgres["before"], postgres["changed"]) == ("salambot-demo", "available", True)
    assert status_of(rds) == "stopped"
    assert (redis["component"], redis["changed"], redis["reason"]) == ("redis", False, "ElastiCache has no stop")
    assert project.json("park")["resources"][0]["changed"] is False
    assert "was stopped" in project.run("unpark").stderr
    assert status_of(rds) == "available"


def test_an_aurora_cluster_is_stopped_as_a_whole(tmp_path: Path, moto: Moto, rds: Any) -> None:  # noqa: ANN401
    made = rds.create_db_cluster(
        DBClusterIdentifier="salambot-aurora", Engine="aurora-postgresql", MasterUsername="salambot",
        MasterUserPassword="unused-here",
    )["DBCluster"]  # fmt: skip
    postgres = project_of(tmp_path, moto, made["Endpoint"]).json("park")["resources"][0]
    assert postgres["id"] == "salambot-aurora"
    assert rds.describe_db_clusters()["DBClusters"][0]["Status"] == "stopped"


def test_a_database_of_somebody_else_is_an_error(tmp_path: Path, moto: Moto, rds: Any) -> None:  # noqa: ANN401
    said = project_of(tmp_path, moto, "db.elsewhere.example").run("park", status=3).stderr
    assert "no RDS instance" in said
    assert "sentinel" not in said
    assert status_of(rds) == "available"


@pytest.mark.parametrize("command", ["park", "unpark"])
def test_who_has_no_credentials_or_no_way_to_aws_is_told(tmp_path: Path, moto: Moto, command: str) -> None:
    project = project_of(tmp_path, moto, "db.elsewhere.example")
    nowhere = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "none", "AWS_SHARED_CREDENTIALS_FILE": "none"}
    lines = (tmp_path / ".env").read_text().splitlines(keepends=True)
    (tmp_path / ".env").write_text("".join(line for line in lines if line.partition("=")[0] not in KEYS))
    assert "NoCredentials" in project.run(command, status=3, **nowhere).stderr
    keys = {**KEYS, "AWS_ENDPOINT_URL": f"http://{LOOPBACK}:{closed_port()}"}
    assert "Unreachable" in project.run(command, status=3, **keys).stderr


def test_a_database_that_nothing_names_is_a_missing_variable(tmp_path: Path) -> None:
    (tmp_path / "salambot.toml").write_text('[placement]\npostgres = "cloud"\n')
    assert "POSTGRES_URL=" in Project(tmp_path).run("park", status=2).stderr


def test_what_is_local_needs_no_account(tmp_path: Path) -> None:
    assert Project(tmp_path).json("park")["resources"] == []
