"""The CloudFormation stack: the linter is content, moto makes it, `up` and the doctor find it well."""

import asyncio
import ipaddress
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from salambot_cli.config.load import load_environment
from salambot_cli.doctor.diagnose import Options, diagnose
from salambot_cli.render.policies import POLICIES, policy
from tests.doctor.cloud import MY_IP, REGION, Account, Moto, Parts, healthy
from tests.servers import PostgresServer, ValkeyServer
from tests.stack import Project

TEMPLATE = Path(__file__).parents[2] / "templates/cloudformation/salambot.yaml"
NOT_OF_MOTO = "      DBParameterGroupName: !Ref DatabaseParameters\n"
"""moto hands itself the group in place of its name, and stumbles over that."""
UP = ("up", "--runtime", "process", "--no-seed")


def template() -> dict[str, Any]:
    """Return the template, its short forms written out."""
    from cfnlint.decode import decode  # late: it loads sympy, and every worker collects this file

    found, errors = decode(str(TEMPLATE))
    assert errors == []
    return dict(found or {})


def create(moto: Moto, folder: Path) -> dict[str, str]:
    """Make the stack with the parameters of `salambot provision`; return logical id -> physical id.

    moto's CloudFormation knows no ElastiCache, secret or trail, and of buckets the encryption alone: see below.
    """
    words = ("provision", "--topology", "t1,t3", "--my-ip", MY_IP, "--plan")
    parameters = Project(folder).json(*words, S3_BUCKET="salambot-kb")["cloudformation"]
    asked = [{**p, "ParameterValue": "false"} if p["ParameterKey"] == "Cache" else p for p in parameters]
    text = TEMPLATE.read_text()
    assert NOT_OF_MOTO in text
    client = moto.client("cloudformation")
    client.create_stack(
        StackName="salambot-demo",
        TemplateBody=text.replace(NOT_OF_MOTO, ""),
        Parameters=asked,
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    assert client.describe_stacks(StackName="salambot-demo")["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"
    made = client.list_stack_resources(StackName="salambot-demo")["StackResourceSummaries"]
    return {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in made}


def furnish_by_stack(moto: Moto) -> Account:
    """Make the stack, then what moto's CloudFormation leaves out, as the template has it."""
    with tempfile.TemporaryDirectory() as folder:
        made = create(moto, Path(folder))
    wanted = {name: resource.get("Properties", {}) for name, resource in template()["Resources"].items()}
    assert "VPCSecurityGroups" in wanted["PostgresInstance"]  # which moto does not read
    moto.client("rds").modify_db_instance(
        DBInstanceIdentifier="salambot-demo", VpcSecurityGroupIds=[made["DatabaseAccess"]]
    )
    cache = wanted["RedisGroup"]
    moto.client("elasticache").create_replication_group(
        ReplicationGroupId="salambot-demo",
        ReplicationGroupDescription="cache",
        Engine=cache["Engine"],
        CacheNodeType=template()["Parameters"]["CacheNodeType"]["Default"],
        AtRestEncryptionEnabled=cache["AtRestEncryptionEnabled"],
        TransitEncryptionEnabled=cache["TransitEncryptionEnabled"],
    )
    trail = moto.client("cloudtrail")
    trail.create_trail(Name="salambot-demo", S3BucketName="salambot-kb-audit")
    if wanted["Trail"]["IsLogging"]:
        trail.start_logging(Name="salambot-demo")
    block = wanted["Documents"]["PublicAccessBlockConfiguration"]
    moto.client("s3").put_public_access_block(Bucket="salambot-kb", PublicAccessBlockConfiguration=dict(block))
    moto.client("s3").put_object(Bucket="salambot-kb", Key="demo/faq.md", Body=b"# Livraison")
    acls = moto.client("ec2").describe_network_acls(Filters=[{"Name": "vpc-id", "Values": [made["Vpc"]]}])
    acl = acls["NetworkAcls"][0]["NetworkAclId"]
    return Account(made["Vpc"], made["SubnetA"], made["DatabaseAccess"], made["RouteTable"], acl)


def test_the_linter_has_nothing_to_say() -> None:
    linter = [Path(sys.executable).with_name("cfn-lint"), "--regions", REGION, "--template", TEMPLATE]
    done = subprocess.run(linter, capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout.strip() == ""
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("topology", [("t1",), ("t1", "t3")])
async def test_the_command_starts_on_the_stack_and_the_doctor_finds_it_healthy(
    moto: Moto,
    postgres_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    topology: tuple[str, ...],
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    parts = Parts(postgres_server, valkey_server, moto, tmp_path)
    async with healthy(parts, tmp_path, *topology, make=furnish_by_stack) as cloud:
        project = Project(cloud.root)
        environment = cloud.load()
        try:
            up = await asyncio.to_thread(project.json, *UP, **cloud.variables)
            report = await diagnose(environment, options=Options(my_ip=(ipaddress.ip_address(MY_IP),)))
        finally:
            await asyncio.to_thread(project.run, "down", **cloud.variables)
    assert up["status"] == "ready"
    placements = {name: part["placement"] for name, part in up["components"].items() if part["health"] == "healthy"}
    assert placements == dict(environment.placements), up["components"]
    assert report.root_causes == ()
    assert {f.id: f.title for f in report.findings if f.status in {"fail", "warn"}} == {}
    seen = {finding.check for finding in report.findings if finding.status == "ok"}
    assert {"rds.network", "s3.access", "sec.trail", "sec.at-rest"} <= seen, sorted(seen)


def test_documents_are_private_encrypted_and_tiered() -> None:
    buckets = [r["Properties"] for r in template()["Resources"].values() if r["Type"] == "AWS::S3::Bucket"]
    assert len(buckets) == 2
    for bucket in buckets:
        assert all(bucket["PublicAccessBlockConfiguration"].values())
        (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
        assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    moves = [t for r in buckets[0]["LifecycleConfiguration"]["Rules"] for t in r.get("Transitions", [])]
    assert [move["StorageClass"] for move in moves] == ["INTELLIGENT_TIERING"]


def test_the_policies_are_those_that_the_command_prints(moto: Moto, tmp_path: Path) -> None:
    moto.reset()
    create(moto, tmp_path)
    toml = 'topology = ["t1", "t3"]\n[aws]\nregion = "eu-west-1"\nsecret = "salambot/demo"\n'
    (tmp_path / "salambot.toml").write_text(toml)
    environment = load_environment(tmp_path, environ={"S3_BUCKET": "salambot-kb"})
    outputs = moto.client("cloudformation").describe_stacks(StackName="salambot-demo")["Stacks"][0]["Outputs"]
    (key,) = [output["OutputValue"] for output in outputs if output["OutputKey"] == "KeyArn"]
    iam = moto.client("iam")
    made = {p["PolicyName"]: p for p in iam.list_policies(Scope="Local")["Policies"]}
    for name in POLICIES:
        arn = made[f"salambot-demo-{name}"]["Arn"]
        document = iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]["Document"]
        wanted = policy(environment, name, account="123456789012", key=key)
        assert normal(document) == normal(wanted), name


def normal(document: Any) -> str:  # noqa: ANN401 - a policy
    """Write a policy one way: a single resource is a list of one."""
    for statement in document["Statement"]:
        if isinstance(statement["Resource"], str):
            statement["Resource"] = [statement["Resource"]]
    return json.dumps(document, sort_keys=True)


def test_terraform_makes_the_same(checkout: Path) -> None:
    text = "".join(path.read_text() for path in (checkout / "templates/terraform").rglob("*.tf"))
    same = {
        "AWS::RDS::DBInstance": "aws_db_instance",
        "AWS::ElastiCache::ReplicationGroup": "aws_elasticache_replication_group",
        "AWS::S3::Bucket": "aws_s3_bucket",
        "AWS::S3::BucketPolicy": "aws_s3_bucket_policy",
        "AWS::SecretsManager::Secret": "aws_secretsmanager_secret",
        "AWS::SecretsManager::RotationSchedule": "aws_secretsmanager_secret_rotation",
        "AWS::KMS::Key": "aws_kms_key",
        "AWS::CloudTrail::Trail": "aws_cloudtrail",
        "AWS::IAM::ManagedPolicy": "aws_iam_policy",
        "AWS::EC2::SecurityGroup": "aws_security_group",
    }
    types = {resource["Type"] for resource in template()["Resources"].values()}
    assert set(same) <= types
    assert [name for name in same.values() if f'resource "{name}"' not in text] == []
