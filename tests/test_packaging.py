"""What is published: the locks follow pyproject.toml, and a wheel works by itself in an empty folder."""

import ast
import json
import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PIN = re.compile(r"^(?P<name>[a-z0-9-]+)(?:\[.*?\])?==(?P<version>\S+)(?: ; (?P<marker>.*?))? \\$", re.MULTILINE)


def pins(lock: str) -> dict[str, set[str]]:
    """Return name -> the locked versions (several where Python's version or the system decides)."""
    found: dict[str, set[str]] = {}
    for pin in PIN.finditer((ROOT / lock).read_text()):
        found.setdefault(pin["name"], set()).add(pin["version"])
    return found


def wanted(*extras: str) -> list[Requirement]:
    """Return what pyproject.toml asks for, with what it takes to build."""
    lines = [*PROJECT["build-system"]["requires"], *PROJECT["project"]["dependencies"]]
    for extra in extras:
        lines += PROJECT["project"]["optional-dependencies"][extra]
    return [Requirement(line) for line in lines]


@pytest.mark.parametrize(("lock", "extras"), [("requirements.lock", ()), ("requirements-test.lock", ("test", "bench"))])
def test_the_lock_satisfies_the_project(lock: str, extras: tuple[str, ...]) -> None:
    locked = pins(lock)
    stale = [
        str(want)
        for want in wanted(*extras)
        if not all(want.specifier.contains(version) for version in locked.get(canonicalize_name(want.name), {"0"}))
    ]
    assert stale == [], "run tools/lock"


def test_both_locks_agree() -> None:
    tests = pins("requirements-test.lock")
    assert {name: tests.get(name) for name in pins("requirements.lock")} == pins("requirements.lock")


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-test.lock"])
def test_every_pin_has_hashes_and_no_index_is_named(lock: str) -> None:
    text = (ROOT / lock).read_text()
    blocks = re.split(r"\n(?=[a-z0-9])", text.split("\n", 2)[2])
    assert [block.split("\n")[0] for block in blocks if "--hash=sha256:" not in block] == []
    assert "://" not in text


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel as a publisher would."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=60,
    )
    (built,) = folder.glob("salambot-*.whl")
    return built


def test_the_wheel_holds_the_code_and_every_asset(wheel: Path, tracked_files: list[str]) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    homes = {"services": "", "templates": "salambot_cli/_assets/templates/", "compose": "salambot_cli/_assets/compose/"}
    expected = set()
    for path in tracked_files:
        if not path.startswith(
            ("salambot_cli/", "services/salambot/", "services/salambot_contracts/", "templates/", "compose/")
        ):
            continue
        top, rest = path.split("/", 1)
        expected.add(homes.get(top, f"{top}/") + rest)
    assert expected - inside == set()
    assert {path.split("/")[0] for path in inside if ".dist-info" not in path} == {
        "salambot_cli",
        "salambot",
        "salambot_contracts",
    }


def test_the_wheel_works_in_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    site, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    zipfile.ZipFile(wheel).extractall(site)  # all that pip does for a wheel of pure Python
    program = "from salambot_cli.host.assets import asset; print(asset('templates'), asset('compose'))"
    answer = subprocess.run(
        [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {str(site)!r}); {program}"],
        cwd=empty,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert answer.stdout.split() == [str(site / f"salambot_cli/_assets/{name}") for name in ("templates", "compose")]
    assert list(empty.iterdir()) == []


@pytest.mark.timeout(900)
def test_an_old_pip_installs_the_wheel_without_the_lock(wheel: Path, tmp_path: Path) -> None:
    """As `pip install .` and pipx do. The pip of Python 3.11 is of 2023."""
    venv.create(tmp_path / "venv", with_pip=True)
    bin_folder, empty = tmp_path / "venv" / "bin", tmp_path / "empty"
    empty.mkdir()
    install = [bin_folder / "python", "-m", "pip", "install", "--quiet", "--no-compile", wheel]
    done = subprocess.run(install, capture_output=True, text=True, timeout=890, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    words = [bin_folder / "salambot", "config", "show", "--json"]
    shown = subprocess.run(words, cwd=empty, capture_output=True, text=True, timeout=300, check=False)
    assert (shown.returncode, json.loads(shown.stdout)["schema_version"]) == (0, "1.0"), shown.stderr
    assert list(empty.iterdir()) == []


def test_the_telemetry_packages_are_one_set() -> None:
    """Each beta of theirs accepts one core only: with a free choice, old pips find no pair that fits."""
    family = [want for want in wanted() if want.name.startswith("opentelemetry-")]
    assert [str(want) for want in family if not str(want.specifier).startswith("==")] == []


def imported_modules(folder: Path) -> dict[str, str]:
    """Return each top-level module from outside the standard library that the code imports when it runs -> where."""
    found: dict[str, str] = {}
    for path in folder.rglob("*.py"):
        tree = ast.parse(path.read_text())
        for branch in ast.walk(tree):
            if isinstance(branch, ast.If) and "TYPE_CHECKING" in ast.unparse(branch.test):
                branch.body = []
        for node in ast.walk(tree):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules = [node.module]
            found |= {module.split(".")[0]: str(path) for module in modules}
    return {module: at for module, at in found.items() if module not in sys.stdlib_module_names}


@pytest.mark.parametrize("folder", ["salambot_cli", "services/salambot", "services/salambot_contracts"])
def test_what_the_code_imports_is_locked(checkout: Path, folder: str) -> None:
    homes, locked = packages_distributions(), pins("requirements.lock")
    missing = {
        module: at
        for module, at in imported_modules(checkout / folder).items()
        if module not in {"salambot", "salambot_cli", "salambot_contracts"}
        and not any(canonicalize_name(home) in locked for home in homes.get(module, []))
    }
    assert missing == {}, "name it in pyproject.toml, then run tools/lock"
