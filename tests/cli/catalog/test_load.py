"""The effective environment: layers, their order, and what is refused with which words."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salambot_cli.components import PLACEMENTS
from salambot_cli.config.load import load_environment, load_started_environment, read_dotenv
from salambot_cli.config.schema import Config, dotted_keys, looks_secret
from salambot_cli.host.state_file import State, write_state
from salambot_cli.model.errors import ConfigurationError, ExitStatus
from salambot_cli.model.secret import Secret
from salambot_cli.model.topology import COMPONENTS, LOCAL, TOPOLOGIES, preset


def project(folder: Path, toml: str = "", dotenv: str | None = None) -> Path:
    if toml:
        (folder / "salambot.toml").write_text(toml)
    if dotenv is not None:
        (folder / ".env").write_text(dotenv)
    return folder


def refusal(folder: Path, **environ: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        load_environment(folder, environ=environ)
    assert caught.value.status is ExitStatus.USAGE
    return caught.value


def test_without_a_file_all_is_local(tmp_path: Path) -> None:
    environment = load_environment(tmp_path, environ={})
    assert environment.config_file is None
    assert (environment.tenant, environment.topology, environment.runtime) == ("demo", ("local",), "auto")
    assert environment.placements == LOCAL
    assert environment.env_name == "local"
    assert set(environment.layers.values()) == {"default"}


def test_file_is_found_upwards(tmp_path: Path) -> None:
    project(tmp_path, 'tenant = "atlas"')
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    environment = load_environment(deep, environ={})
    assert environment.tenant == "atlas"
    assert environment.root == tmp_path


def test_each_layer_covers_the_one_below(tmp_path: Path) -> None:
    project(
        tmp_path,
        'tenant = "from-toml"\n[ports]\ngateway = 9001\nrag = 9003',
        "TENANT=from-dotenv\nSALAMBOT_PORTS_GATEWAY=9002\n",
    )
    environment = load_environment(tmp_path, {"ports.gateway": 9005}, environ={"TENANT": "from-environment"})
    assert (environment.tenant, environment.layers["tenant"]) == ("from-environment", "environment")
    assert (environment.port("gateway"), environment.layers["ports.gateway"]) == (9005, "flag")
    assert (environment.port("rag"), environment.layers["ports.rag"]) == (9003, "salambot.toml")
    assert (environment.port("nlu"), environment.layers["ports.nlu"]) == (8082, "default")


def test_variables_remember_their_layer_and_mask_themselves(tmp_path: Path) -> None:
    project(
        tmp_path, '[env]\nS3_BUCKET = "kb"\nPINECONE_INDEX = "low"', "PINECONE_INDEX=high\nOPENAI_API_KEY=sk-sentinel\n"
    )
    environment = load_environment(tmp_path, environ={"OPENAI_API_KEY": "sk-from-process"})
    assert environment.variables["S3_BUCKET"].layer == "salambot.toml"
    assert environment.variables["PINECONE_INDEX"].value == "high"
    assert isinstance(environment.variables["OPENAI_API_KEY"].value, Secret)
    assert environment.value("OPENAI_API_KEY") == "sk-from-process"
    assert "sk-" not in repr(environment)


def test_presets_apply_in_order_and_name_only_their_own(tmp_path: Path) -> None:
    environment = load_environment(project(tmp_path, 'topology = ["t1", "t3"]'), environ={})
    assert environment.placements == preset(["t1"]) | {"secrets": "aws"}
    assert environment.layers["placement.secrets"] == "preset"
    assert load_environment(tmp_path, {"topology": ["t2"]}, environ={}).placement("postgres") == "local"


def test_single_placement_covers_the_preset(tmp_path: Path) -> None:
    environment = load_environment(project(tmp_path, 'topology = "t1"\n[placement]\nvector = "qdrant"'), environ={})
    assert (environment.placement("vector"), environment.layers["placement.vector"]) == ("qdrant", "salambot.toml")


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ('topolgy = "t1"', "topolgy: unknown key; did you mean topology?"),
        (
            '[placement]\nvector = "pinecon"',
            'placement/vector: should be one of local, pinecone, qdrant, not "pinecon"',
        ),
        ('[placement]\nvectr = "local"', "placement/vectr: unknown key; did you mean vector?"),
        ("[ports]\ngateway = 70000", "ports/gateway"),
        ('tenant = "../x"', "tenant: should be lower-case letters"),
        ('tenant = "a b"', "tenant: should be lower-case letters"),
        ('tenant = "demo\'; --"', "tenant: should be lower-case letters"),
        ('tenant = "дemo"', "tenant: should be lower-case letters"),
        (f'tenant = "{"a" * 300}"', "tenant: should be lower-case letters"),
        ('[env]\nOPENAI_API_KEY = "anything"', "OPENAI_API_KEY is a secret"),
        ('[env]\nS3_BUKET = "kb"', "did you mean S3_BUCKET?"),
        ('[aws]\nprofile = "AKIAIOSFODNN7EXAMPLE"', "looks like a secret"),
        ('topology = "t9"', "topology"),
    ],
)
def test_what_does_not_fit_is_named_with_its_place(tmp_path: Path, toml: str, said: str) -> None:
    error = refusal(project(tmp_path, toml))
    assert said in error.why
    assert "AKIA" not in error.why
    assert "salambot.toml" in error.what


def test_broken_toml_is_said_with_its_line(tmp_path: Path) -> None:
    assert "line 2" in refusal(project(tmp_path, 'tenant = "demo"\nruntime = =\n')).why


def test_wrong_value_of_a_variable_blames_the_environment(tmp_path: Path) -> None:
    assert "environment" in refusal(tmp_path, SALAMBOT_RUNTIME="podman").what


def test_dotenv_survives_windows_and_keeps_dollars(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes("\ufeffA='x y'\r\nB=$HOME\r\nB=last\r\n".encode())
    assert read_dotenv(tmp_path / ".env") == {"A": "x y", "B": "last"}


def test_unclosed_quote_is_said_with_line_and_column(tmp_path: Path) -> None:
    project(tmp_path, dotenv='A=1\nB="never closed\n')
    assert "line 2, column 3" in refusal(tmp_path).what


@given(st.lists(st.sampled_from(TOPOLOGIES), min_size=1, max_size=5))
def test_every_combination_of_presets_is_valid(names: list[str]) -> None:
    placements = preset(names)  # type: ignore[arg-type] # sampled from the names themselves
    assert set(placements) == set(COMPONENTS)
    assert all(placements[component] in PLACEMENTS[component] for component in COMPONENTS)


@given(st.dictionaries(st.text(max_size=20), st.one_of(st.text(max_size=20), st.integers(), st.booleans()), max_size=5))
def test_no_table_breaks_the_loader(tmp_path_factory: pytest.TempPathFactory, table: dict[str, object]) -> None:
    known = set(dotted_keys())
    if set(table) <= known:
        assert load_environment(tmp_path_factory.getbasetemp(), table, environ={}).placements.keys() == set(COMPONENTS)
    else:
        with pytest.raises(ConfigurationError):
            load_environment(tmp_path_factory.getbasetemp(), table, environ={})


def test_every_dotted_key_exists_in_the_schema() -> None:
    properties = Config.model_json_schema()["properties"]
    assert {key.split(".")[0] for key in dotted_keys()} == set(properties)


@pytest.mark.parametrize("value", ["sk-abc", "pcsk_abc", "whsec_abc", "postgres://user:pass@host/db", "eyJhbGciOi.J9"])
def test_secrets_are_known_by_their_shape(value: str) -> None:
    assert looks_secret(value)


@pytest.mark.parametrize(
    "value", ["demo", "eu-west-1", "https://otlp-gateway-eu.grafana.net/otlp", "postgres://host:5432/db"]
)
def test_plain_values_are_not(value: str) -> None:
    assert not looks_secret(value)


def test_a_business_has_a_block_a_tenant(tmp_path: Path) -> None:
    toml = '[business]\nname = "Al Boustane"\ncontact = " 05 22 99 41 10 "\n[business.atlas]\nname = "Atlas Drive"\n'
    environment = load_environment(project(tmp_path, f'tenant = "clinic"\n{toml}'), environ={})
    assert environment.businesses == {
        "clinic": {"name": "Al Boustane", "contact": "05 22 99 41 10"},
        "atlas": {"name": "Atlas Drive"},
    }


@pytest.mark.parametrize(
    "toml",
    [
        '[business]\nnmae = "x"\n',
        '[business.atlas]\nphone = "x"\n',
        '[business."No Tenant"]\nname = "x"\n',
        '[business]\nname = "two\\nlines"\n',
        '[business]\ncontact = "sk-1234567890"\n',
    ],
)
def test_a_business_is_refused_by_what_is_wrong_with_it(tmp_path: Path, toml: str) -> None:
    assert "business" in refusal(project(tmp_path, toml)).why


def test_a_running_stack_is_as_the_last_up_asked_for_it(tmp_path: Path) -> None:
    (tmp_path / "salambot.toml").write_text('[placement]\nllm = "local"\n')
    flags: dict[str, object] = {"topology": ["t1", "t3"], "tenant": "riad"}
    write_state(tmp_path, State("process", {}, asked_up=True, flags=flags))
    started = load_started_environment(tmp_path, {"tenant": "other", "placement.vector": None})
    assert (started.placement("objects"), started.placement("vector"), started.tenant) == ("s3", "pinecone", "other")
    write_state(tmp_path, State("process", {}, asked_up=False, flags=flags))
    assert load_started_environment(tmp_path).placement("objects") == "local"


@pytest.mark.timeout(20)
def test_a_running_stack_is_read_from_a_pipe_once(tmp_path: Path) -> None:
    """1Password hands `.env` over as a named pipe, and asks its owner each time that it is read."""
    os.mkfifo(tmp_path / ".env")
    write_state(tmp_path, State("process", {}, asked_up=True, flags={"tenant": "riad"}))
    with ThreadPoolExecutor(1) as pool:
        written = pool.submit((tmp_path / ".env").write_text, "OPENAI_MODEL=one\n")
        started = load_started_environment(tmp_path)
        written.result()
    assert (started.tenant, started.value("OPENAI_MODEL")) == ("riad", "one")
