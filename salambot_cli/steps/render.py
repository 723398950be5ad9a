"""`render`: the files of an environment, without starting anything."""

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

from salambot_cli.catalog.render import is_untouched, render_example
from salambot_cli.catalog.validate import validate
from salambot_cli.model.environment import Environment
from salambot_cli.outside import rendered
from salambot_cli.outside.files import private_folder
from salambot_cli.outside.image import assemble_context
from salambot_cli.outside.state import read_state, write_state
from salambot_cli.runtimes.compose import ComposeRuntime
from salambot_cli.runtimes.container_view import copy_public_files, rendered_folder, with_mounted_secrets

EXAMPLE = ".env.cloud-local.example"


@dataclass(frozen=True, slots=True)
class Rendering:
    """The files of an environment, where they belong, and how they differ from what stands there."""

    environment: Environment
    folder: Path
    files: dict[str, str]
    changes: list[rendered.Change]

    def write(self) -> list[Path]:
        """Write what changed; return the copies of what somebody had edited by hand."""
        root = self.environment.root
        ports = {name: port for name, port in self.environment.ports.items() if isinstance(port, int)}
        write_state(root, replace(read_state(root), ports=ports))  # `auto` is settled: the next run keeps it
        # What plain `docker compose` needs beside the files: public keys, and what the image is built from.
        copy_public_files(self.environment)
        assemble_context(private_folder(self.folder) / "image")
        return rendered.write(self.folder, self.files, self.changes)


async def render(environment: Environment, output: Path | None) -> Rendering:
    """Render for Docker Compose, into `output` or `.salambot/rendered`.

    Raises:
        SalamBotError: a variable is missing, or a cloud URL is refused.
    """
    validate(environment)
    runtime = ComposeRuntime()
    prepared = await runtime.prepare(await asyncio.to_thread(with_mounted_secrets, environment))
    default = await asyncio.to_thread(rendered_folder, environment.root)
    folder = default if output is None else output
    files = await asyncio.to_thread(runtime.render, prepared, folder)
    if output is not None:
        files[EXAMPLE] = render_example(environment)
    return Rendering(prepared, folder, files, rendered.changes(folder, files, is_untouched))
