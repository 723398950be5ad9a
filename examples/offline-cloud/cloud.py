"""Run the offline cloud in the foreground and write a project that uses it: `cloud.py PROJECT TOPOLOGY... [jump]`."""

import asyncio
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.offline_cloud import offline_cloud, reachable_address


async def main(project: Path, topology: list[str]) -> None:
    """Serve until SIGTERM or Ctrl-C. `PROJECT/cloud-ready` appears when everything answers.

    SIGUSR1 cuts the network to Postgres and Redis, SIGUSR2 mends it.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with offline_cloud(reachable_address()) as cloud, asyncio.TaskGroup() as tasks:
        loop.add_signal_handler(signal.SIGUSR1, lambda: tasks.create_task(cloud.cut()))
        loop.add_signal_handler(signal.SIGUSR2, lambda: tasks.create_task(cloud.mend()))
        cloud.write_project(project, [name for name in topology if name != "jump"], jump="jump" in topology)
        exports = "".join(f"export {name}={value}\n" for name, value in cloud.credentials.items())
        (project / "cloud-ready").write_text(exports)
        sys.stderr.write(f"the offline cloud listens on {cloud.address}\n")
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2:] or ["t1"]))
