"""Keeps a tunnel: runs its program, and tells the gateway when the public URL has changed.

`python -m salambot_cli.runtimes.tunnel_keeper PROJECT KIND METRICS_PORT COMMAND…`, as a unit of the supervisor.
"""

import asyncio
import contextlib
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import cast

from salambot_cli.outside.state import read_state, write_state
from salambot_cli.outside.tunnels import TunnelKind, look
from salambot_cli.runtimes.children import die_with_parent
from salambot_cli.runtimes.client import SupervisorClient

_POLL_S = 2.0
_STOP_S = 5.0


async def keep(root: Path, kind: TunnelKind, metrics_port: int, command: list[str]) -> int:
    """Run the program until it ends or we are told to; return its exit status."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        process_group=0,
        preexec_fn=die_with_parent(signal.SIGKILL),
    )
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    watching = asyncio.create_task(_watch(root, kind, metrics_port))
    ended, told = asyncio.create_task(process.wait()), asyncio.create_task(stopping.wait())
    await asyncio.wait((ended, told), return_when=asyncio.FIRST_COMPLETED)
    watching.cancel()
    told.cancel()
    if not ended.done():
        process.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(ended), _STOP_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    status = await ended
    return 0 if stopping.is_set() else status or 1


async def _watch(root: Path, kind: TunnelKind, metrics_port: int) -> None:
    """Compare the tunnel's URL with the one that the services know."""
    while True:
        await asyncio.sleep(_POLL_S)
        state, known = await look(kind, metrics_port), read_state(root)
        if state.ready and state.url and known.public_url and state.url != known.public_url:
            print(f"salambot: the public URL is {state.url} now", flush=True)  # noqa: T201 - becomes tunnel.log
            client = SupervisorClient(root / ".salambot")
            if await client.amend("gateway", {"PUBLIC_BASE_URL": state.url}):
                write_state(root, replace(read_state(root), public_url=state.url))


def main() -> None:
    """Read the command line."""
    root, kind, port, *command = sys.argv[1:]
    sys.exit(asyncio.run(keep(Path(root), cast("TunnelKind", kind), int(port), command)))


if __name__ == "__main__":
    main()
