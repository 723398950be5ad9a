"""Where an environment has its state: the project's own in the project, a named one under `.salambot/environments/`.

The folder alone says which environment is meant: whoever is given it finds the same state, ports and keys.
"""

import re
from pathlib import Path

OWN = "local"
"""The name of the environment that the project has without naming one."""
STATE_FOLDER = ".salambot"
_HOMES = (STATE_FOLDER, "environments")


def is_environment_name(name: str) -> bool:
    """Return whether an environment can have this name."""
    return re.fullmatch("[a-z][a-z0-9-]{0,30}", name) is not None


def environment_folder(project: Path, name: str) -> Path:
    """Return the folder of an environment of a project."""
    return project if name == OWN else project.joinpath(*_HOMES, name)


def enclosing_environment(path: Path) -> Path | None:
    """Return the folder of the named environment that a path lies in, or None."""
    return next((folder for folder in (path, *path.parents) if folder.parts[-3:-1] == _HOMES), None)


def project_of_environment(root: Path) -> Path:
    """Return the project that an environment's folder belongs to."""
    return root.parents[2] if root.parts[-3:-1] == _HOMES else root


def name_of_environment(root: Path) -> str:
    """Return the name of the environment whose folder this is."""
    return root.name if root.parts[-3:-1] == _HOMES else OWN


def variables_files(root: Path) -> tuple[Path, ...]:
    """Return the files that hold an environment's variables: `.env`, then the `.env.NAME` that stands above it."""
    common, name = project_of_environment(root) / ".env", name_of_environment(root)
    return (common,) if name == OWN else (common, common.with_name(f".env.{name}"))
