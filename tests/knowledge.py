"""A knowledge base on disk, seeded by the real job, and rag over it."""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import orjson


class KnowledgeBase:
    """An object folder with a tenant's documents, and the job that indexes them."""

    def __init__(self, folder: Path, database_url: str, tenant: str = "demo", **variables: str) -> None:
        self.folder = folder
        self.tenant = tenant
        self.variables = {"POSTGRES_URL": database_url, "OBJECTS_URL": f"file://{folder}", **variables}

    def write(self, documents: Mapping[str, str | bytes]) -> None:
        """Put documents under the tenant's prefix, as an upload does."""
        for path, content in documents.items():
            file = self.folder / self.tenant / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)

    def delete(self, *paths: str) -> None:
        """Delete documents."""
        for path in paths:
            (self.folder / self.tenant / path).unlink()

    def list_source(self, label: str, *paths: str) -> None:
        """Write the list of a source's keys, as an upload does."""
        listed = {"label": label, "keys": paths, "uploaded_at": "2026-01-01T00:00:00.000Z"}
        self.write({f".sources/{label}.json": orjson.dumps(listed)})

    async def start(self, *arguments: str, stdin: int | None = None) -> asyncio.subprocess.Process:
        """Start the job, its output in a pipe."""
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "error", "-m", "salambot.jobs.seed_kb", "--tenant", self.tenant, *arguments),
            env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), **self.variables},
            stdin=stdin,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def seed(self, *arguments: str, status: int = 0) -> dict[str, object]:
        """Run the job to its end; return its report."""
        job = await self.start(*arguments)
        output, errors = await job.communicate()
        assert job.returncode == status, (output.decode(), errors.decode())
        report: dict[str, object] = orjson.loads(output.splitlines()[-1])
        return report
