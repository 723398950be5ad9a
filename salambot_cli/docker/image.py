"""The image of the services: its sources, wherever this command is installed, and the tag that names their content."""

import hashlib
import importlib.util
import os
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from salambot_cli.host.assets import asset
from salambot_cli.host.files import let_all_read, shared_folder
from salambot_cli.model.errors import PrerequisiteError

IMAGE_LABEL = "io.salambot.image=services"
_FILES = ("Dockerfile", "healthcheck.py", "keep.py", "requirements.lock")
_PACKAGES = ("salambot", "salambot_contracts")
_TAG_DIGITS = 12


@cache
def image_tag() -> str:
    """Name the image by the hash of everything it is built from: the same content is never built twice."""
    digest = hashlib.sha256()
    for name, path in _sources():
        content = path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return f"salambot:{digest.hexdigest()[:_TAG_DIGITS]}"


@cache
def services_build() -> str:
    """Name the code of the services as it is installed: cheap, and another one after any change of a file."""
    digest = hashlib.sha256()
    for path in (path for package in _PACKAGES for path in sorted(_package_folder(package).rglob("*.py"))):
        facts = path.stat()
        digest.update(f"{path}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()[:_TAG_DIGITS]


def assemble_context(folder: Path) -> None:
    """Assemble the build context in a folder of its own; unchanged files stay."""
    wanted = {folder / name: path for name, path in _sources()}
    for stray in [path for path in folder.rglob("*") if path.is_file() and path not in wanted]:
        stray.unlink()
    for target, path in wanted.items():
        if not _is_copy(target, path):
            shared_folder(target.parent)
            shutil.copyfile(path, target)
            let_all_read(target)  # the services run as another user than the one who builds
            os.utime(target, ns=(0, path.stat().st_mtime_ns))  # last: what broke off half-way is no copy


def _is_copy(target: Path, path: Path) -> bool:
    try:
        there = target.stat()
    except FileNotFoundError:
        return False
    source = path.stat()
    return (there.st_size, there.st_mtime_ns) == (source.st_size, source.st_mtime_ns)


def _sources() -> Iterator[tuple[str, Path]]:
    for name in _FILES:
        yield name, asset(f"services/{name}")
    for package in _PACKAGES:
        folder = _package_folder(package)
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield f"{package}/{path.relative_to(folder).as_posix()}", path


def _package_folder(package: str) -> Path:
    # Found, not imported: the command knows nothing of the services but where they are.
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise PrerequisiteError(
            "the package of the services is not installed",
            f"no `{package}` on sys.path",
            "pip install --force salambot",
        )
    return Path(spec.submodule_search_locations[0])
