"""The Kubernetes target: valid objects, pods that may do little, the edges that exist, and Compose's variables."""

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from salambot_cli.model.secret import Secret
from salambot_cli.model.topology import PROGRAMS
from salambot_cli.render.kubernetes import OVERLAYS
from salambot_cli.render.pods import PORTS
from tests.cli.catalog.manifests import (
    CLOUD,
    TOML,
    Document,
    compose_variables,
    documents,
    environment_of,
    pods,
    rendered,
    variables,
)
from tests.stack import Project

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from referencing import Registry

VERSIONS = ("1.31", "1.37")
KINDS = tuple(TOML)
NAME = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}


def strict(**properties: object) -> dict[str, object]:
    """Return the schema of an object that has these members and no other."""
    return {"type": "object", "additionalProperties": False, "properties": properties}


def required(**properties: object) -> dict[str, object]:
    """Likewise, with each of them required."""
    return {**strict(**properties), "required": list(properties)}


CUSTOM: dict[str, dict[str, object]] = {
    # Of KEDA's and External Secrets' own definitions, what is used here.
    "keda.sh/v1alpha1/ScaledObject": required(
        scaleTargetRef=NAME,
        minReplicaCount={"type": "integer"},
        maxReplicaCount={"type": "integer"},
        pollingInterval={"type": "integer"},
        cooldownPeriod={"type": "integer"},
        triggers={
            "type": "array",
            "items": required(
                type={"const": "prometheus"},
                name={"type": "string"},
                metricType={"enum": ["AverageValue", "Value"]},
                metadata={**TEXTS, "required": ["serverAddress", "query", "threshold"]},
            ),
        },
    ),
    "external-secrets.io/v1/SecretStore": required(
        provider=required(
            aws=required(
                service={"const": "SecretsManager"},
                region={"type": "string"},
                auth=required(jwt=required(serviceAccountRef=NAME)),
            )
        )
    ),
    "external-secrets.io/v1/ExternalSecret": {
        **strict(
            refreshInterval={"type": "string"},
            secretStoreRef=required(kind={"const": "SecretStore"}, name={"const": "secrets-manager"}),
            target=strict(name={"type": "string"}, template=required(mergePolicy={"const": "Merge"}, data=TEXTS)),
            data={
                "type": "array",
                "minItems": 1,
                "items": required(
                    secretKey={"type": "string"},
                    remoteRef={**strict(key={"type": "string"}, property={"type": "string"}), "required": ["key"]},
                ),
            },
        ),
        "required": ["secretStoreRef", "target", "data"],
    },
}


def validate(document: Document, version: str) -> None:
    """Raise where an object is not what its API takes."""
    import jsonschema  # late: it takes seconds, and every worker collects this file

    name = f"{document['apiVersion']}/{document['kind']}"
    if name in CUSTOM:
        jsonschema.validate(document["spec"], CUSTOM[name])
    else:
        api = re.sub(r"\.[^/]*/|/", "-", document["apiVersion"])
        schema_of(f"{document['kind'].lower()}-{api}", version).validate(document)


@cache
def schema_of(name: str, version: str) -> "Draft202012Validator":
    """Return the validator of a kind, from Kubernetes' OpenAPI with unknown members forbidden."""
    import kubernetes_validate.utils
    from jsonschema import Draft202012Validator

    schema = kubernetes_validate.utils.schema_contents(f"{folder(version)}/{name}.json", version)
    return Draft202012Validator(schema, registry=definitions(version))


@cache
def definitions(version: str) -> "Registry[Any]":
    """Return what the schemas of a version refer to: large, hence read once."""
    import kubernetes_validate.utils
    from referencing import Registry, Resource

    found = kubernetes_validate.utils.schema_contents(f"{folder(version)}/_definitions.json", version)
    registry: Registry[Any] = Resource.from_contents(found) @ Registry()
    return registry.crawl()


def folder(version: str) -> str:
    """Return where the validator keeps the strict schemas of a version."""
    return f"kubernetes-json-schema/v{version}.0-local-strict"


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def found(tmp_path: Path, kind: str) -> list[Document]:
    return documents(rendered(environment_of(tmp_path, kind)))


def of_kind(found: list[Document], kind: str) -> dict[str, Document]:
    return {d["metadata"]["name"]: d for d in found if d["kind"] == kind}


def edges(found: list[Document], way: str, peer: str) -> set[tuple[str, str, int]]:
    """Return (pod, other side, port) of the network policies in one direction."""
    seen = set()
    for policy in of_kind(found, "NetworkPolicy").values():
        own = policy["spec"]["podSelector"].get("matchLabels", {}).get("app.kubernetes.io/name", "*")
        for rule in policy["spec"].get(way, []):
            for side in rule[peer]:
                labels = side.get("podSelector", {}).get("matchLabels", {})
                block = side.get("ipBlock", {}).get("cidr")
                other = labels.get("app.kubernetes.io/name") or block or next(iter(labels), "*")
                seen |= {(own, other, port["port"]) for port in rule["ports"]}
    return seen


@pytest.mark.parametrize("version", VERSIONS)
def test_each_object_is_what_its_api_takes(found: list[Document], version: str) -> None:
    for document in found:
        validate(document, version)


def test_the_validator_refuses_what_is_wrong(tmp_path: Path) -> None:
    (gateway,) = [
        d
        for d in documents(rendered(environment_of(tmp_path, "local")))
        if d["kind"] == "Deployment" and d["metadata"]["name"] == "gateway"
    ]
    import jsonschema

    gateway["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(jsonschema.ValidationError, match="readynessProbe"):
        validate(gateway, VERSIONS[-1])


def test_pods_get_what_compose_gives_and_nothing_else(tmp_path: Path, checkout: Path, kind: str) -> None:
    environment = environment_of(tmp_path, kind)
    compose = compose_variables(environment, checkout)
    specs = pods(documents(rendered(environment)))
    for program in PROGRAMS:
        assert variables(specs[program]["containers"][0]) == compose[program], program
        assert specs[program]["enableServiceLinks"] is False  # else Kubernetes adds a dozen of its own
    assert variables(specs["seed"]["containers"][0]) == compose["orchestrateur"]
    for spec in specs.values():
        for container in spec.get("initContainers", []):
            assert variables(container) == compose["migrate"]


def test_a_pod_calls_aws_by_its_role_and_never_by_a_key(tmp_path: Path) -> None:
    environment = environment_of(tmp_path, "env")
    from salambot_cli.stack.runtimes.container_view import with_values

    keyed = with_values(environment, {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "sentinel-key"})
    files = rendered(keyed)
    assert "AWS_ACCESS_KEY_ID" not in "".join(files.values())
    accounts = of_kind(documents(files), "ServiceAccount")
    annotations = accounts["seed"]["metadata"]["annotations"]
    assert annotations["eks.amazonaws.com/role-arn"] == "arn:aws:iam::123456789012:role/salambot-demo-orchestrateur"
    assert '"s3:GetObject"' in annotations["salambot.io/iam-policy"]
    assert "PutObject" not in annotations["salambot.io/iam-policy"]
    assert [name for name, account in accounts.items() if "annotations" in account["metadata"]] == ["seed"]


def test_pods_may_do_little(found: list[Document]) -> None:
    for name, spec in pods(found).items():
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["serviceAccountName"] in of_kind(found, "ServiceAccount")
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        assert not any("hostPath" in volume for volume in spec["volumes"])
        for container in [*spec["containers"], *spec.get("initContainers", [])]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert {"cpu", "memory"} == container["resources"]["requests"].keys()
            assert "memory" in container["resources"]["limits"]
    assert all(a["automountServiceAccountToken"] is False for a in of_kind(found, "ServiceAccount").values())
    assert not [d["kind"] for d in found if "Role" in d["kind"]]


def test_each_program_is_probed_scaled_spread_and_ended_in_time(found: list[Document]) -> None:
    scaled = of_kind(found, "HorizontalPodAutoscaler") | of_kind(found, "ScaledObject")
    assert set(scaled) == set(PROGRAMS) == set(of_kind(found, "PodDisruptionBudget"))
    assert set(of_kind(found, "ScaledObject")) == {"worker"}
    for program in PROGRAMS:
        assert scaled[program]["spec"]["scaleTargetRef"]["name"] == program
        spec = pods(found)[program]
        (container,) = spec["containers"]
        assert container["readinessProbe"]["httpGet"] == {"path": "/health/ready", "port": "http"}
        assert container["livenessProbe"]["httpGet"] == {"path": "/health", "port": "http"}
        assert container["command"][-1] == str(PORTS[program])
        assert {c["topologyKey"] for c in spec["topologySpreadConstraints"]} >= {"topology.kubernetes.io/zone"}
        drain = int(container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", ["0"])[-1])
        words = container["command"]
        under_way = int(words[words.index("--grace") + 1]) if program != "worker" else 6
        assert spec["terminationGracePeriodSeconds"] > drain + under_way


def test_workers_are_scaled_by_figures_that_they_measure(found: list[Document], checkout: Path) -> None:
    source = (checkout / "services/salambot/webhooks/maintenance.py").read_text()
    for trigger in of_kind(found, "ScaledObject")["worker"]["spec"]["triggers"]:
        (metric,) = re.findall(r"salambot_\w+(?=\{)", trigger["metadata"]["query"])
        assert f'Gauge("{metric}"' in source


def test_prometheus_finds_the_port_that_it_may_read(found: list[Document]) -> None:
    into = edges(found, "ingress", "from")
    for program, deployment in of_kind(found, "Deployment").items():
        annotations = deployment["spec"]["template"]["metadata"]["annotations"]
        assert annotations["prometheus.io/scrape"] == "true"  # a text: annotations take nothing else
        port = int(annotations["prometheus.io/port"])
        assert (program, "prometheus", port) in into
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        assert port in {listed["containerPort"] for listed in container["ports"]}


def test_every_pod_is_shut_in_and_calls_meet(found: list[Document]) -> None:
    closed = of_kind(found, "NetworkPolicy")["nothing"]["spec"]
    assert closed == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    out, into = edges(found, "egress", "to"), edges(found, "ingress", "from")
    services = {"gateway", "orchestrateur", "nlu", "rag"}
    calls = {(a, b) for a, b, _ in out if b in services}
    assert calls == {
        ("gateway", "orchestrateur"),
        ("gateway", "rag"),
        ("gateway", "nlu"),  # the console asks how it is
        ("orchestrateur", "nlu"),
        ("orchestrateur", "rag"),
        ("worker", "orchestrateur"),
    }
    assert {(b, a) for a, b, _ in into if a in services and b in {*services, "worker"}} == {(a, b) for a, b in calls}
    assert ("worker", "0.0.0.0/0", 443) in out
    assert ("gateway", "0.0.0.0/0", 443) not in out
    assert {port for own, _, port in into if own == "gateway"} == {8080, 8090}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("local", {("postgres", 5432), ("redis", 6379)}),
        (
            "env",
            {("10.0.0.0/8", 5433), ("10.0.0.0/8", 6380), ("0.0.0.0/0", 443), ("0.0.0.0/0", 4318)}
            | {(f"{block}/{bits}", port) for block, bits in (("172.16.0.0", 12), ("192.168.0.0", 16))
               for port in (5433, 6380)},
        ),
    ],
)  # fmt: skip
def test_rag_reaches_its_stores_and_nothing_else(tmp_path: Path, kind: str, expected: set[tuple[str, int]]) -> None:
    found = documents(rendered(environment_of(tmp_path, kind)))
    assert {(other, port) for own, other, port in edges(found, "egress", "to") if own == "rag"} == expected


def test_the_public_sees_the_webhooks_alone(found: list[Document]) -> None:
    (ingress,) = of_kind(found, "Ingress").values()
    (rule,) = ingress["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    assert path["path"] == "/v1/webhooks/"
    assert path["backend"]["service"] == {"name": "gateway", "port": {"name": "webhooks"}}
    assert all(s["spec"].get("type", "ClusterIP") == "ClusterIP" for s in of_kind(found, "Service").values())


def test_no_manifest_holds_a_secret(tmp_path: Path, kind: str) -> None:
    files = rendered(environment_of(tmp_path, kind))
    assert not [name for name, text in files.items() if "sentinel" in text and "/secrets/" not in name]
    if kind in {"vault", "table"}:
        assert not [name for name, text in files.items() for word in ("sentinel-pg", "sentinel-openai") if word in text]


def test_secrets_come_from_where_they_stand(tmp_path: Path) -> None:
    found = documents(rendered(environment_of(tmp_path, "vault")))
    external = of_kind(found, "ExternalSecret")["rag-vault"]["spec"]
    places = {entry["secretKey"]: entry["remoteRef"] for entry in external["data"]}
    assert places["POSTGRES_URL"] == {"key": "salambot/demo", "property": "POSTGRES_URL"}
    assert "sslrootcert=/run/salambot/postgres-ca.pem" in external["target"]["template"]["data"]["POSTGRES_URL"]
    found = documents(rendered(environment_of(tmp_path, "table")))
    external = of_kind(found, "ExternalSecret")
    assert external["nlu-vault"]["spec"]["data"][0]["remoteRef"] == {"key": "models", "property": "openai"}
    (qdrant,) = [e for e in external["rag-vault"]["spec"]["data"] if e["secretKey"] == "QDRANT_API_KEY"]
    assert qdrant["remoteRef"] == {"key": "qdrant"}


def test_every_secret_that_a_pod_names_is_made(tmp_path: Path, kind: str) -> None:
    files = rendered(environment_of(tmp_path, kind))
    found = documents(files)
    made = {name: {e["secretKey"] for e in d["spec"]["data"]} for name, d in of_kind(found, "ExternalSecret").items()}
    for entry in yaml.safe_load(files["base/kustomization.yaml"]).get("secretGenerator", []):
        lines = files[f"base/{entry['envs'][0]}"].splitlines()
        made[entry["name"]] = {line.partition("=")[0] for line in lines if not line.startswith("#")}
    for spec in pods(found).values():
        for container in [*spec["containers"], *spec.get("initContainers", [])]:
            for reference in [e["valueFrom"]["secretKeyRef"] for e in container["env"] if "valueFrom" in e]:
                assert reference["key"] in made[reference["name"]]


def test_a_changed_image_is_another_job(tmp_path: Path) -> None:
    environment = environment_of(tmp_path, "local")
    jobs = [next(iter(of_kind(documents(rendered(environment, image)), "Job"))) for image in ("a:1", "a:2", "a:1")]
    assert jobs[0] == jobs[2] != jobs[1]


def test_another_secret_is_another_job(tmp_path: Path) -> None:
    from salambot_cli.stack.runtimes.container_view import with_values

    environment = environment_of(tmp_path, "env")
    keys = (Secret("sentinel-1"), Secret("sentinel-2"), Secret("sentinel-1"))
    changed = [with_values(environment, {"PINECONE_API_KEY": key}) for key in keys]
    jobs = [next(iter(of_kind(documents(rendered(one)), "Job"))) for one in changed]
    assert jobs[0] == jobs[2] != jobs[1]


@pytest.mark.parametrize("tenant", ["demo", "1e3"])
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kustomize_builds_each_overlay(tmp_path: Path, overlay: str, tenant: str) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("needs kubectl, whose Kustomize needs no cluster")
    for name, text in rendered(replace(environment_of(tmp_path, "vault"), tenant=tenant)).items():
        (tmp_path / "k" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "k" / name).write_text(text)
    built = subprocess.run(
        ["kubectl", "kustomize", tmp_path / "k/overlays" / overlay],
        capture_output=True, text=True, timeout=300, check=True,
    ).stdout  # fmt: skip
    found: list[dict[str, Any]] = list(yaml.safe_load_all(built))
    for document in found:
        validate(document, VERSIONS[-1])
    assert {d["metadata"]["labels"]["salambot.io/tenant"] for d in found} == {tenant}
    images = {c["image"] for spec in pods(found).values() for c in spec["containers"]}
    assert images == {"registry.example:5000/salambot:1.2"}
    minimum = {"small": 1, "production": 3}[overlay]
    assert {d["spec"]["minReplicas"] for d in of_kind(found, "HorizontalPodAutoscaler").values()} == {minimum}


def test_the_command_writes_compares_and_keeps_what_was_edited(tmp_path: Path) -> None:
    project = Project(tmp_path)
    words = ("render", "--target", "kubernetes", "--output", "k8s")
    document = project.json(*words)
    assert {"base/gateway.yaml", "overlays/small/kustomization.yaml"} <= set(document["files"])
    assert project.json(*words, "--check")["changes"] == []
    assert (tmp_path / "k8s/base/secrets/gateway-own.env").stat().st_mode & 0o777 == 0o600
    edited = tmp_path / "k8s/base/ingress.yaml"
    edited.write_text(edited.read_text() + "# mine\n")
    kept = project.json(*words)["kept"]
    assert Path(kept[0]).read_text().endswith("# mine\n")
    masked = project.run(*words, "--diff", OPENAI_API_KEY="sentinel", SALAMBOT_PLACEMENT_LLM="openai")
    assert "sentinel" not in masked.stdout + masked.stderr
    assert "OPENAI_API_KEY" in masked.stdout


def test_what_is_rendered_no_more_goes_away_and_what_is_yours_stays(tmp_path: Path) -> None:
    project = Project(tmp_path)
    words = ("render", "--target", "kubernetes", "--output", "k8s")
    project.run(*words)
    mine = tmp_path / "k8s/base/mine.yaml"
    mine.write_text("kind: ConfigMap\n")
    elsewhere = {"SALAMBOT_PLACEMENT_POSTGRES": "cloud", "POSTGRES_URL": CLOUD["POSTGRES_URL"]}
    stale = tmp_path / "k8s/base/secrets/postgres-own.env"
    password = stale.read_text().splitlines()[1].partition("=")[2]
    document = project.json(*words, "--check", status=1, **elsewhere)
    (change,) = [change for change in document["changes"] if change["file"] not in document["files"]]
    assert change["file"] == "base/secrets/postgres-own.env"
    assert "-POSTGRES_PASSWORD=" in change["diff"]
    assert password not in str(document)
    assert stale.exists()
    project.run(*words, **elsewhere)
    assert not stale.exists()
    assert project.json(*words, "--check", **elsewhere)["changes"] == []
    edited = tmp_path / "k8s/base/stores.yaml"
    edited.write_text(edited.read_text() + "# mine\n")
    nowhere = {"SALAMBOT_PLACEMENT_REDIS": "cloud", "REDIS_URL": CLOUD["REDIS_URL"].replace(":6380", ":6380/0")}
    project.run(*words, **elsewhere, **nowhere)
    assert edited.exists()
    assert mine.exists()


def test_the_manifests_go_down_a_pipe_to_any_validator(tmp_path: Path) -> None:
    project = Project(tmp_path)
    words = ("render", "--target", "kubernetes")
    stream = project.run(*words).stdout
    validator = [Path(sys.executable).with_name("kubernetes-validate"), "--strict", "-"]
    done = subprocess.run(validator, input=stream, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "deployment/gateway" in done.stdout + done.stderr
    wrong = stream.replace("readinessProbe:", "readynessProbe:", 1)
    assert wrong != stream
    assert subprocess.run(validator, input=wrong, capture_output=True, text=True, timeout=300, check=False).returncode
    kinds = {document["kind"] for document in yaml.safe_load_all(stream)}
    assert {"Deployment", "NetworkPolicy", "Job", "StatefulSet"} <= kinds
    assert "Kustomization" not in kinds
    assert project.run(*words, "--check").stdout == project.run(*words, "--output", "k8s").stdout == ""


@pytest.mark.parametrize(
    "words", [("--account", "12345678901"), ("--account", "mine"), ("--image", "bad image"), ("--image", "a/b:1:2")]
)
def test_no_account_and_no_image_is_a_usage_error_that_writes_nothing(tmp_path: Path, words: tuple[str, ...]) -> None:
    Project(tmp_path).run("render", "--target", "kubernetes", "--output", "k8s", *words, status=2)
    assert not (tmp_path / "k8s").exists()


@pytest.mark.parametrize("image", ["salambot", "r.example:5000/a/salambot", f"r.example/a:1.0@sha256:{'0a' * 32}"])
def test_an_image_may_have_a_port_a_tag_and_a_digest(tmp_path: Path, image: str) -> None:
    project = Project(tmp_path)
    project.run("render", "--target", "kubernetes", "--output", "k8s", "--image", image)
    (entry,) = yaml.safe_load((tmp_path / "k8s/base/kustomization.yaml").read_text())["images"]
    assert f"{entry['newName']}:{entry['newTag']}" in {image, f"{image}:latest"}


def test_an_unread_vault_is_said(tmp_path: Path) -> None:
    (tmp_path / "salambot.toml").write_text('topology = "t3"\n[aws]\nregion = "eu-west-1"\nsecret = "salambot/demo"\n')
    nowhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    words = ("render", "--target", "kubernetes")
    project = Project(tmp_path)
    said = project.run(*words, SALAMBOT_ALLOW_INSECURE="secrets", **nowhere).stderr
    assert "Secrets Manager was not read" in said
    assert "OPENAI_API_KEY" in said
    assert "111122223333 stands for your account" in said
    named = project.run(*words, "--account", "123456789012", SALAMBOT_ALLOW_INSECURE="secrets", **nowhere).stderr
    assert "111122223333" not in named
