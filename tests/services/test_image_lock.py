"""The image's lock holds every package that the services import: they start from it and nothing else."""

import ast
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

from packaging.utils import canonicalize_name


def imported(package: Path) -> set[str]:
    """Return the top-level modules that a package needs, its own and the standard library's left out."""
    found: set[str] = set()
    for path in package.rglob("*.py"):
        for node in needed(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {package.name, "salambot_contracts"}


def needed(node: ast.AST) -> Iterator[ast.AST]:
    """Walk a module past what is tried, and done without where it is not installed."""
    match node:
        case ast.Try(handlers=[ast.ExceptHandler(type=ast.Name("ModuleNotFoundError"))]):
            return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from needed(child)


def test_every_import_of_the_services_is_locked(checkout: Path) -> None:
    lock = (checkout / "services" / "requirements.lock").read_text()
    locked = {name.lower() for name in re.findall(r"^([A-Za-z0-9_.-]+)==", lock, flags=re.MULTILINE)}
    distributions = packages_distributions()
    missing = {
        module
        for module in imported(checkout / "services" / "salambot")
        if not any(canonicalize_name(name) in locked for name in distributions.get(module, []))
    }
    assert not missing, f"run tools/lock after adding to `# the services` in pyproject.toml: {missing}"
