"""Holds a tunnel open, ends with it, and tells the gateway when the public URL has changed.

`python -m salambot_cli.tunnel.tunnel_process PROJECT KIND INGRESS_PORT METRICS_PORT PROGRAM HOST`, as a unit of the
supervisor. PROGRAM is cloudflared's path; HOST the name of a named tunnel or a reserved domain, or empty.
"""

import asyncio
import contextlib
import os
import signal
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from salambot_cli.host.files import replace_file
from salambot_cli.host.state_file import read_state, write_state
from salambot_cli.host.tunnel_programs import OWN_CONFIG, cloudflared_command, read_tunnel_state
from salambot_cli.stack.supervised_process import die_with_parent
from salambot_cli.stack.supervisor_client import SupervisorClient
from salambot_cli.tunnel.reconnect_proxy import reconnect_proxy

_POLL_SECONDS = 2.0
_STOP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class TunnelSpec:
    """The tunnel to keep."""

    root: Path
    kind: str
    ingress_port: int
    metrics_port: int
    program: str
    host: str


async def run_tunnel(wanted: TunnelSpec) -> int:
    """Hold the tunnel until it ends or we are told to; return its exit status."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with reconnect_proxy(wanted.ingress_port) as port:
        held = asyncio.create_task(_hold(wanted, port))
        others = [asyncio.create_task(stopping.wait()), asyncio.create_task(_watch(wanted))]
        await asyncio.wait((held, *others), return_when=asyncio.FIRST_COMPLETED)
        for task in (held, *others):
            task.cancel()
        ended = await asyncio.gather(held, *others, return_exceptions=True)
    failed = next((one for one in ended if isinstance(one, Exception)), None)
    if failed is not None:
        raise failed
    return 0 if stopping.is_set() else int(ended[0] or 1) if isinstance(ended[0], int) else 1


async def _hold(wanted: TunnelSpec, port: int) -> int:
    if wanted.kind == "ngrok":
        from salambot_cli.tunnel.ngrok_agent import run_ngrok

        return await run_ngrok(port, wanted.metrics_port, wanted.host)
    config = wanted.root / ".salambot" / "run" / "cloudflared.yml"
    replace_file(config, OWN_CONFIG)
    process = await asyncio.create_subprocess_exec(
        *cloudflared_command(wanted.program, port, wanted.metrics_port, config, named=bool(wanted.host)),
        stdin=asyncio.subprocess.DEVNULL,
        process_group=0,
        preexec_fn=die_with_parent(signal.SIGKILL),
    )
    try:
        return await process.wait()
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ask it to go, then end it and whatever it has started."""
    if process.returncode is None:
        process.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), _STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


async def _watch(wanted: TunnelSpec) -> None:
    """Compare the tunnel's URL with the one that the services know."""
    while True:
        await asyncio.sleep(_POLL_SECONDS)
        state, known = await read_tunnel_state(wanted.metrics_port), read_state(wanted.root).public_url
        if wanted.host or not (state.ready and state.url and known) or state.url == known:
            continue
        print(f"salambot: the public URL is {state.url} now", flush=True)  # noqa: T201 - becomes tunnel.log
        if await _tell_gateway(wanted.root, state.url):
            write_state(wanted.root, replace(read_state(wanted.root), public_url=state.url))


async def _tell_gateway(root: Path, url: str) -> bool:
    """Restart the gateway's process alone with another PUBLIC_BASE_URL; False where it did not come back."""
    if read_state(root).runtime == "compose":
        from salambot_cli.stack.runtimes.compose import ComposeRuntime

        return await ComposeRuntime().republish(root, url)
    return await SupervisorClient(root / ".salambot").amend("gateway", {"PUBLIC_BASE_URL": url})


def main() -> None:
    """Read the command line."""
    root, kind, ingress, metrics, program, host = sys.argv[1:]
    sys.exit(asyncio.run(run_tunnel(TunnelSpec(Path(root), kind, int(ingress), int(metrics), program, host))))


if __name__ == "__main__":
    main()
