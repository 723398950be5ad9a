"""What makes the cloud parts: Terraform that parses and fits together, and variables that follow the topology."""

import json
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import hcl2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from salambot_cli.render.infrastructure import Infrastructure, keep_user_choices
from tests.stack import Project

ROOT = Path(__file__).parents[3] / "templates/terraform"
RENDER = ("render", "--target", "kubernetes")
MODULES = sorted(path.name for path in (ROOT / "modules").iterdir())


@cache
def parsed(path: Path) -> Any:  # noqa: ANN401 - a document
    """Return a file of Terraform, its quotes and marks removed."""
    return bare(hcl2.loads(path.read_text()))


def bare(value: Any) -> Any:  # noqa: ANN401 - a document
    if isinstance(value, dict):
        return {bare(key): bare(held) for key, held in value.items() if not str(key).startswith("__")}
    if isinstance(value, list):
        return [bare(held) for held in value]
    return value.strip('"') if isinstance(value, str) else value


def blocks(path: Path, kind: str) -> dict[str, Any]:
    """Return the blocks of a kind by name."""
    return {name: body for block in parsed(path).get(kind, []) for name, body in block.items()}


def resources(module: str) -> dict[str, Any]:
    """Return the resources of a module by type."""
    return {
        kind: next(iter(named.values()))
        for block in parsed(ROOT / "modules" / module / "main.tf")["resource"]
        for kind, named in block.items()
    }


@pytest.mark.parametrize("caller", ["main.tf", "modules/audit/main.tf", "modules/objects/main.tf"])
def test_a_module_gets_just_what_it_declares(caller: str) -> None:
    for called in blocks(ROOT / caller, "module").values():
        main = (ROOT / caller).parent / called["source"] / "main.tf"
        declared = blocks(main, "variable")
        given = set(called) - {"source", "count"}
        assert given <= set(declared)
        assert [name for name, body in declared.items() if name not in given and "default" not in body] == []


@pytest.mark.parametrize("module", MODULES)
def test_a_module_reads_what_it_declares(module: str) -> None:
    main = ROOT / "modules" / module / "main.tf"
    assert [name for name in blocks(main, "variable") if f"var.{name}" not in main.read_text()] == []


def test_terraform_finds_it_in_form(tmp_path: Path) -> None:
    program = shutil.which("terraform") or shutil.which("tofu")
    if program is None:
        pytest.skip("needs terraform or tofu, which needs no provider for that")
    Project(tmp_path).run("provision", "--topology", "t1", "--output", "cloud", "--my-ip", "203.0.113.7")
    command = [program, "fmt", "-check", "-recursive", str(tmp_path / "cloud/terraform")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout == ""
    assert done.returncode == 0, done.stderr


def test_buckets_are_closed_encrypted_and_forgetful() -> None:
    made = resources("bucket")
    assert all(value is True for key, value in made["aws_s3_bucket_public_access_block"].items() if key != "bucket")
    assert "aws_s3_bucket_server_side_encryption_configuration" in made
    assert "TlsOrNothing" in (ROOT / "modules/bucket/main.tf").read_text()
    for module in ("objects", "audit"):
        assert blocks(ROOT / "modules" / module / "main.tf", "module")["bucket"]["source"] == "../bucket"
        assert resources(module)["aws_s3_bucket_lifecycle_configuration"]["rule"]


def test_stores_are_encrypted_and_reached_by_few() -> None:
    database, cache_group = resources("database")["aws_db_instance"], resources("cache")
    assert database["storage_encrypted"] is True
    assert database["manage_master_user_password"] is True
    assert cache_group["aws_elasticache_replication_group"]["transit_encryption_enabled"] is True
    assert cache_group["aws_elasticache_replication_group"]["at_rest_encryption_enabled"] is True
    assert resources("secrets")["aws_kms_key"]["enable_key_rotation"] is True
    network = (ROOT / "modules/network/main.tf").read_text()
    assert network.count("0.0.0.0/0") == 1  # the route out
    assert "INTELLIGENT_TIERING" in (ROOT / "modules/objects/main.tf").read_text()


def test_variables_follow_the_topology(tmp_path: Path) -> None:
    project = Project(tmp_path)
    words = ("provision", "--plan", "--my-ip", "203.0.113.7")
    document = project.json(*words, "--topology", "t2,t3")
    variables = document["terraform"]
    wanted = {name: variables[name] for name in ("database", "cache", "objects", "secrets")}
    assert wanted == {"database": False, "cache": False, "objects": True, "secrets": True}
    assert variables["developer_cidr"] == "203.0.113.7/32"
    assert set(variables) == set(blocks(ROOT / "variables.tf", "variable"))
    assert {"ParameterKey": "Database", "ParameterValue": "false"} in document["cloudformation"]
    assert not (tmp_path / ".salambot/cloud").exists()


def test_the_files_are_written_whole_and_state_stays(tmp_path: Path) -> None:
    project = Project(tmp_path)
    words = ("provision", "--my-ip", "203.0.113.7", "--topology", "t1", "--output", "cloud")
    project.json(*words)
    state = tmp_path / "cloud/terraform/terraform.tfstate"
    state.write_text("{}")
    document = project.json(*words)
    assert state.read_text() == "{}"
    assert json.loads((tmp_path / "cloud/terraform/terraform.tfvars.json").read_text()) == document["terraform"]
    assert json.loads((tmp_path / "cloud/cloudformation/parameters.json").read_text()) == document["cloudformation"]
    assert (tmp_path / "cloud/terraform/modules/network/main.tf").is_file()
    assert len(document["commands"]) == 2


def test_what_somebody_edited_or_chose_is_never_lost(tmp_path: Path) -> None:
    project = Project(tmp_path)
    words = ("provision", "--topology", "t1", "--output", "cloud")
    project.json(*words, "--my-ip", "203.0.113.7")
    main, variables = tmp_path / "cloud/terraform/main.tf", tmp_path / "cloud/terraform/terraform.tfvars.json"
    main.write_text(f"{main.read_text()}# mine\n")
    variables.write_text(json.dumps(json.loads(variables.read_text()) | {"database_class": "serverless"}))
    parameters = tmp_path / "cloud/cloudformation/parameters.json"
    parameters.write_text(parameters.read_text().replace("cache.t4g.micro", "cache.t4g.small"))
    document = project.json(*words, "--my-ip", "203.0.113.8")
    assert [Path(path).read_text().endswith("# mine\n") for path in document["kept"]] == [True]
    assert not main.read_text().endswith("# mine\n")
    chosen = {"database_class": "serverless", "cache_node_type": "cache.t4g.small", "developer_cidr": "203.0.113.8/32"}
    assert document["terraform"].items() >= chosen.items()
    assert {"ParameterKey": "CacheNodeType", "ParameterValue": "cache.t4g.small"} in document["cloudformation"]
    assert project.json(*words, "--my-ip", "203.0.113.8")["kept"] == []


@pytest.mark.parametrize("text", ["", "[]", "{", '[1, {"ParameterKey": 2}]', '{"database_class": 3}'])
def test_variables_that_cannot_be_read_are_written_anew(tmp_path: Path, text: str) -> None:
    project = Project(tmp_path)
    words = ("provision", "--topology", "t1", "--output", "cloud", "--my-ip", "203.0.113.7")
    first = project.json(*words)
    for name in ("terraform/terraform.tfvars.json", "cloudformation/parameters.json"):
        (tmp_path / "cloud" / name).write_text(text)
    assert project.json(*words) == first


@pytest.mark.parametrize(("words", "most"), [(("provision", "--my-ip", "203.0.113.7"), 31), (RENDER, 41)])
def test_a_tenant_whose_names_are_too_long_is_a_usage_error(tmp_path: Path, words: tuple[str, ...], most: int) -> None:
    given = {"SALAMBOT_PLACEMENT_OBJECTS": "s3", "AWS_REGION": "eu-west-1", "S3_BUCKET": "kb"}
    project = Project(tmp_path)
    project.run(*words, TENANT="a" * most, **given)
    said = project.run(*words, TENANT="a" * (most + 1), status=2, **given).stderr
    assert f"may have {most} characters" in said


def test_an_address_that_nobody_knows_now_stays() -> None:
    known = keep_user_choices(Infrastructure({"tenant": "demo"}), {"developer_cidr": "203.0.113.7/32"}, {})
    assert known.variables == {"tenant": "demo", "developer_cidr": "203.0.113.7/32"}


@pytest.mark.parametrize("words", [("--my-ip", "203.0.113"), ("--topology", "local", "--my-ip", "203.0.113.7")])
def test_what_cannot_be_planned_is_a_usage_error(tmp_path: Path, words: tuple[str, ...]) -> None:
    Project(tmp_path).run("provision", "--plan", "--topology", "t1", *words, status=2)


@given(st.booleans(), st.integers(1, 65535))
def test_cloudformation_reads_words(wanted: bool, port: int) -> None:
    found = Infrastructure({"database": wanted, "database_port": port, "region": "eu-west-1"}).parameters()
    assert found == [
        {"ParameterKey": "Database", "ParameterValue": "true" if wanted else "false"},
        {"ParameterKey": "DatabasePort", "ParameterValue": str(port)},
    ]
