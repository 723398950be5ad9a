"""Seeding beside LlamaIndex's IngestionPipeline, same documents and embedder: `python -m bench.indexing`."""

import argparse
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from bench.table import Row, markdown, put
from tests.servers import PostgresServer

PEER = "llama-index-core==0.14.*"
PEER_SCRIPT = Path(__file__).with_name("llama_pipeline.py")
DOCUMENTS, MANY = 2_000, 20_000
_SERVICES = Path(__file__).parents[1] / "services"
_WORDS = [
    "livraison",
    "retour",
    "remboursement",
    "échange",
    "commande",
    "colis",
    "facture",
    "garantie",
    "boutique",
    "horaires",
    "paiement",
    "carte",
    "taille",
    "client",
    "produit",
    "stock",
    "prix",
    "remise",
    "adresse",
    "délai",
    "suivi",
    "annulation",
    "modèle",
    "couleur",
    "qualité",
    "service",
    "magasin",
    "ville",
]


@dataclass(frozen=True)
class Ended:
    """Seconds from the start of a process to its end, and the most memory that it held, in MB."""

    seconds: float
    peak_mb: float


def document(number: int, edition: int = 0) -> str:
    """Return a document of three sections: no two say the same, and an edition changes one paragraph."""
    random = Random(number)  # noqa: S311 - the same text each time
    sections = []
    for section in range(3):
        said = " ".join(random.choice(_WORDS) for _ in range(60))
        note = f" Édition {edition}." if section == 1 and edition else ""
        sections.append(f"## Question {number}.{section}\n\nArticle {number} : {said}.{note}\n")
    return f"# Document {number}\n\n" + "\n".join(sections)


def write(folder: Path, numbers: range, edition: int = 0) -> None:
    """Write documents, a hundred a folder."""
    for number in numbers:
        file = folder / f"{number // 100}" / f"{number}.md"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(document(number, edition))


def run(command: list[str], environ: Mapping[str, str]) -> Ended:
    """Run a command to its end. Raises CalledProcessError."""
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Ended(time.perf_counter() - started, used.ru_maxrss / 1024)


@contextmanager
def seeding(folder: Path) -> Iterator[tuple[Path, Callable[[], Ended]]]:
    """Yield where documents go, and our job over them and a real Postgres."""
    home, objects = folder / "home", folder / "objects"
    home.mkdir(parents=True)
    server = PostgresServer(home)
    server.start()
    environ = {**os.environ, "POSTGRES_URL": server.url(), "OBJECTS_URL": objects.as_uri()}
    try:
        yield (
            objects / "demo",
            lambda: run([sys.executable, "-m", "salambot.jobs.seed_kb", "--tenant", "demo"], environ),
        )
    finally:
        server.stop()


def peer_python(folder: Path) -> str:
    """Install LlamaIndex into an environment of its own, which sees our embedder's packages behind its own."""
    home = folder / "peer"
    venv.create(home, with_pip=True)
    python = str(home / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", PEER], check=True)
    site = subprocess.check_output(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
    ).strip()
    Path(site, "behind.pth").write_text(f"{sysconfig.get_path('purelib')}\n{_SERVICES}\n")
    return python


def thrice(documents: Path, count: int, once: Callable[[], Ended]) -> list[Ended]:
    """Index for the first time, unchanged, and with one document in a hundred changed."""
    write(documents, range(count))
    first, again = once(), once()
    write(documents, range(max(1, count // 100)), edition=1)
    return [first, again, once()]


def compare(folder: Path, count: int, python: str) -> list[Row]:
    """Run both over the same documents."""
    with seeding(folder / "ours") as (documents, job):
        ours = thrice(documents, count, job)
    store = folder / "llama"
    store.mkdir()
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [python, str(PEER_SCRIPT), str(store / "documents"), str(store / "kept")]
    theirs = thrice(store / "documents", count, lambda: run(command, environ))
    what = (("first run", 2), ("unchanged", 10), ("1 % changed", 5))
    return [
        Row(
            f"{count:,} documents, {name}",
            mine.seconds,
            peer.seconds,
            "s",
            peer.seconds / times,
            f"{times} × as fast",
        )
        for (name, times), mine, peer in zip(what, ours, theirs, strict=True)
    ]


def memory(folder: Path, few: int, many: int) -> Row:
    """Return the peak memory of a first run over many documents beside one over few."""
    peaks = []
    for count in (few, many):
        with seeding(folder / f"memory-{count}") as (documents, job):
            write(documents, range(count))
            peaks.append(job().peak_mb)
    return Row(f"peak memory, {many:,} documents beside {few:,}", peaks[1], peaks[0], "MB", peaks[0] * 1.2, "≤ 1.2 ×")


def measure(count: int = DOCUMENTS, many: int = MANY, python: str | None = None) -> list[Row]:
    """Compare speed with the peer, and memory with ourselves."""
    with tempfile.TemporaryDirectory(prefix="salambot-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # Postgres runs as another user
        return [*compare(folder, count, python or peer_python(folder)), memory(folder, count, many)]


def main() -> None:
    """Measure and print; the full size is written to bench/README.md too."""
    parser = argparse.ArgumentParser(prog="bench.indexing", description=__doc__)
    parser.add_argument("--documents", type=int, default=DOCUMENTS)
    parser.add_argument("--many", type=int, default=MANY)
    parser.add_argument("--peer", help="a Python that has LlamaIndex already")
    given = parser.parse_args()
    table = markdown(measure(given.documents, given.many, given.peer))
    print(table)
    if (given.documents, given.many) == (DOCUMENTS, MANY):
        put("indexing", table)


if __name__ == "__main__":
    main()
