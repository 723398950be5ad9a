"""A unique value stands in each secret; after every command, in every mode, it is found nowhere that it must not be."""

import asyncio
import gzip
import json
import secrets
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
import typer

from salambot_cli.commands import COMMANDS
from tests.offline_cloud import REGION, SECRET, OfflineCloud, offline_cloud, reachable_address
from tests.stack import ALL_AUTO, Project, make_project

PLANTED = {
    "META_APP_SECRET": "app",
    "META_VERIFY_TOKEN": "verify",
    "META_PAGE_TOKEN": "EAApage",
    "WHATSAPP_TOKEN": "EAAwhatsapp",
    "WEBHOOK_SECRET": "whsec_",
    "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Basic%20",
}
PUSH = ("secrets", "push", "META_PAGE_TOKEN")
ROTATE = ("secrets", "rotate", "webhook")
SET = ("env", "set", "LOG_LEVEL")
BACKUP = ("backup", "shop.backup", "--encrypt")
RESTORE = ("restore", "shop.backup", "--yes")
CLUSTER = ("render", "--target", "kubernetes", "--output", "cluster")
WORK = (
    ("config", "show"),
    ("config", "show", "--json"),
    ("config", "validate"),
    ("config", "schema"),
    ("config", "edit-placement", "tunnel=none"),
    ("secrets", "policy"),
    ("secrets", "pull"),
    ("up", "--dry-run"),
    ("up", "--no-seed", "--json"),
    ("status", "--json"),
    ("seed", "--json"),
    ("smoke", "--json"),
    ("kb", "list", "--json"),
    ("chat", "Bonjour, quels sont vos horaires ?"),
    ("token", "--json"),
    ("webhook", "trigger", "generic"),
    PUSH,
    ("secrets", "rotate", "jwt"),
    ROTATE,
    ("audit", "show"),
    ("audit", "verify"),
    ("privacy", "export", "somebody"),
    ("privacy", "erase", "somebody", "--yes"),
)
"""Commands that end with 0 here, in the order in which a person would type them."""
ROUNDS = (
    ("init", "--yes"),
    *WORK,
    ("secrets", "status"),
    ("secrets", "scan"),
    ("webhook", "list"),
    ("webhook", "replay", "--failed"),
    ("open", "--no-browser", "--no-doctor"),
    ("trace", "--list"),
    ("logs",),
    ("kb", "show", "livraison.md"),
    ("kb", "remove", "no-such.md"),
    ("psql", "--", "-c", "SELECT 1"),
    ("redis-cli", "PING"),
    ("exec", "nlu", "--", "true"),
    ("restart", "nlu"),
    CLUSTER,
    ("render", "--diff"),
    ("upgrade-config", "--check"),
    ("env", "list", "--all"),
    SET,
    ("env", "diff", ".env"),
    ("env", "unset", "LOG_LEVEL"),
    ("widget",),
    BACKUP,
    RESTORE,
    ("provision", "--output", "provisioned"),
    ("costs",),
    ("park",),
    ("unpark",),
    ("dashboards", "push", "--url", "http://127.0.0.1:9"),
    ("doctor", "--offline", "--json", "--bundle", "bundle.tar.gz"),
)
"""Every command, before, beside and after a stack that runs; `down` ends them."""


@dataclass
class Watch:
    """The planted texts, and every place where one was seen."""

    planted: dict[str, str]
    works: frozenset[tuple[str, ...]] = frozenset(WORK) | {("down",)}
    found: list[str] = field(default_factory=list)

    def look(self, place: str, content: bytes) -> None:
        """Note each secret that stands in some content."""
        self.found += [f"{name} in {place}" for name, text in self.planted.items() if text.encode() in content]

    def look_into(self, folder: Path, *excepted: str) -> None:
        """Search every file under a folder."""
        for path in folder.rglob("*"):
            name = path.relative_to(folder).as_posix()
            if path.is_file() and not path.is_symlink() and name not in excepted:
                self.look(name, gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes())

    def run(self, project: Project, *words: str, **environ: str) -> None:
        """Run a command and search what it says; what brings a stack up has to work, or nothing is shown."""
        typed = {PUSH: self.planted["META_PAGE_TOKEN"], SET: "INFO", BACKUP: "horse battery", RESTORE: "horse battery"}
        stdin = typed.get(words, "")
        done = project.run(*words, "--debug", status=0 if words in self.works else None, stdin=stdin, **environ)
        self.look(f"the output of {' '.join(words)}", (done.stdout + done.stderr).encode())

    @contextmanager
    def over_arguments(self) -> Iterator[None]:
        """Read the command line of every process of this machine, again and again, until the block ends."""
        over = threading.Event()

        def read() -> None:
            while not over.is_set():
                for path in Path("/proc").glob("[0-9]*/cmdline"):
                    try:
                        self.look(f"the arguments of a process: {path}", path.read_bytes())
                    except OSError:
                        continue
                over.wait(0.1)

        thread = threading.Thread(target=read)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def plant(cloud: OfflineCloud) -> dict[str, str]:
    """Put a unique value into every secret of the cloud; return what must not be seen."""
    mark = secrets.token_hex(6)
    values = {name: f"{start}c2VudGluZWw{mark}{number}" for number, (name, start) in enumerate(PLANTED.items())}
    kept = {name: cloud.variables[name] for name in ("POSTGRES_URL", "REDIS_URL")}
    values |= {"PINECONE_API_KEY": f"pcsk_{mark}a", "OPENAI_API_KEY": f"sk-{mark}b"}
    vault(cloud).put_secret_value(SecretId=SECRET, SecretString=json.dumps(values | kept))
    passwords = {f"password of {name}": urlsplit(url).password or "" for name, url in kept.items()}
    return values | passwords


def vault(cloud: OfflineCloud) -> Any:  # noqa: ANN401 - boto3's own
    """Return the cloud's Secrets Manager."""
    return boto3.client(
        "secretsmanager",
        region_name=REGION,
        endpoint_url=cloud.variables["AWS_ENDPOINT_URL"],
        aws_access_key_id="offline",
        aws_secret_access_key="offline",
    )


def watch_what_was_rotated(watch: Watch, cloud: OfflineCloud) -> None:
    """Look for the new secret too, in all that comes after its rotation."""
    held = json.loads(vault(cloud).get_secret_value(SecretId=SECRET)["SecretString"])["WEBHOOK_SECRET"].split(",")
    assert held[1:] == [watch.planted["WEBHOOK_SECRET"]]
    watch.planted["WEBHOOK_SECRET, rotated"] = held[0]


@asynccontextmanager
async def shop(folder: Path, runtime: str) -> AsyncIterator[tuple[Project, Watch, OfflineCloud]]:
    """Yield a project with topology t1 and t3 whose cloud holds planted secrets."""
    async with offline_cloud(reachable_address() if runtime == "compose" else "127.0.0.1") as cloud:
        planted = await asyncio.to_thread(plant, cloud)
        cloud.write_project(folder, ["t1", "t3"])
        toml = folder / "salambot.toml"
        toml.write_text(f'runtime = "{runtime}"\n{toml.read_text()}\n{ALL_AUTO}')
        cloud.credentials["AWS_SECRET_ACCESS_KEY"] = f"aws{secrets.token_hex(8)}"
        cloud.credentials["GRAFANA_TOKEN"] = f"glsa_{secrets.token_hex(8)}"
        planted |= {name: cloud.credentials[name] for name in ("AWS_SECRET_ACCESS_KEY", "GRAFANA_TOKEN")}
        yield Project(folder), Watch(planted), cloud


def break_it(project: Project, watch: Watch, cloud: OfflineCloud) -> None:
    """Fail in the ways that tempt a program to show what it was given."""
    toml = project.folder / "salambot.toml"
    whole = toml.read_text()
    toml.write_text(whole.replace(f'secret = "{SECRET}"', f'secret = {{ OPENAI_API_KEY = "{SECRET}#nothing" }}'))
    watch.run(project, "up", **cloud.credentials)
    watch.run(project, "secrets", "pull", "--json", **cloud.credentials)
    toml.write_text(whole.replace('ca = "cloud-ca.pem"', "", 1))
    watch.run(project, "up", "--no-seed", **cloud.credentials)
    watch.run(project, "logs")
    toml.write_text(whole)
    broken = watch.planted["password of POSTGRES_URL"]
    for url in (f"postgres://salambot:{broken}@127.0.0.1:1/salambot?sslmode=verify-full", f"postgres://:{broken}@["):
        watch.run(project, "up", "--no-seed", **cloud.credentials, POSTGRES_URL=url)
        watch.run(project, "config", "show", **cloud.credentials, POSTGRES_URL=url)


def leaves() -> Iterator[tuple[str, ...]]:
    """Yield every command, and every command of a group."""
    for name in COMMANDS:
        command = typer.main.get_command(import_module(f"salambot_cli.commands.{name.replace('-', '_')}").app)
        yield from [(name, each) for each in getattr(command, "commands", {})] or [(name,)]


def test_no_command_is_left_out() -> None:
    typed = (*ROUNDS, ("down",))
    left_out = [leaf for leaf in leaves() if all(words[: len(leaf)] != leaf for words in typed)]
    assert left_out == [("tunnel",)], "it stays until Ctrl-C: test_tunnel.py searches for its token"


@pytest.mark.stack
@pytest.mark.timeout(420)
def test_secrets_of_dotenv_show_nowhere_else(tmp_path: Path) -> None:
    project = make_project(tmp_path / "shop")
    mark = secrets.token_hex(6)
    watch = Watch({name: f"{start}c2VudGluZWw{mark}{number}" for number, (name, start) in enumerate(PLANTED.items())})
    watch.works -= {PUSH, ROTATE, ("secrets", "policy")}  # which are about Secrets Manager
    dotenv = project.folder / ".env"
    dotenv.touch(mode=0o600)
    dotenv.write_text("".join(f"{name}={value}\n" for name, value in watch.planted.items()))
    with watch.over_arguments():
        for words in ROUNDS:
            if words != CLUSTER:  # whose manifests hold what stands in `.env`
                watch.run(project, *words)
        watch.look_into(project.folder, ".env")
        watch.run(project, "down")
    watch.look_into(project.folder, ".env")
    assert sorted(set(watch.found)) == []


@pytest.mark.stack
@pytest.mark.timeout(600)
async def test_processes_show_no_secret(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    async with shop(folder, "process") as (project, watch, cloud):

        def live() -> None:
            with watch.over_arguments():
                for words in ROUNDS:
                    watch.run(project, *words, **cloud.credentials)
                watch_what_was_rotated(watch, cloud)
                watch.look_into(folder)
                break_it(project, watch, cloud)
                watch.run(project, "down")
            watch.look_into(folder)

        await asyncio.to_thread(live)
    assert sorted(set(watch.found)) == []


@pytest.mark.docker
@pytest.mark.timeout(900)
async def test_containers_show_no_secret(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    async with shop(folder, "compose") as (project, watch, cloud):

        def live() -> None:
            try:
                with watch.over_arguments():
                    for words in ROUNDS:
                        watch.run(project, *words, **cloud.credentials)
                    watch_what_was_rotated(watch, cloud)
                    watch.look_into(folder)
                    look_at_containers(project, watch)
                    break_it(project, watch, cloud)
            finally:
                watch.run(project, "down", "--volumes", "--yes")
            watch.look_into(folder)

        await asyncio.to_thread(live)
    assert sorted(set(watch.found)) == []


def look_at_containers(project: Project, watch: Watch) -> None:
    """Search what Docker keeps of the containers, of their image and of its layers' history."""
    label = f"label=com.docker.compose.project.working_dir={project.state / 'rendered'}"
    ids = docker("ps", "--all", "--quiet", "--filter", label).split()
    assert len(ids) == len({"gateway", "orchestrateur", "nlu", "rag", "worker", "migrate"})
    watch.look("docker inspect", docker("inspect", *ids).encode())
    images = set(docker("inspect", "--format", "{{.Image}}", *ids).split())
    watch.look("docker image inspect", docker("image", "inspect", *images).encode())
    for image in images:
        watch.look("docker history", docker("history", "--no-trunc", image).encode())
    for name in ids:
        watch.look("docker logs", docker("logs", name).encode())
    services = [name for name in ids if "migrate" not in docker("inspect", "--format", "{{.Name}}", name)]
    for name in services:
        assert docker("exec", name, "ls", "/run/secrets").split()


def docker(*words: str) -> str:
    """Run docker; return all it says."""
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=True, timeout=300)
    return done.stdout + done.stderr
