"""What telemetry costs: the gateway path with traces, metrics and logs exported as they are by default, beside the same
with it off. In a rush the default records some of the traces (`salambot.telemetry.sampling`)."""

import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from aiohttp import web

from bench.chain import SECONDS, WARM_UP, bodies, put_load
from bench.load.closed import Job
from bench.stack import Stack, a_project, run, up
from bench.table import Row, markdown

ROUNDS = 5
CONNECTIONS = 16
_EXPORTS = """allow_insecure = ["telemetry"]
[placement]
telemetry = "otlp"
[env]
OTEL_EXPORTER_OTLP_ENDPOINT = "{url}"
"""


@contextmanager
def receiver() -> Iterator[str]:
    """Run a receiver that takes everything and looks at nothing; yield its URL."""
    with subprocess.Popen([sys.executable, "-m", "bench.telemetry", "--receive"], stdout=subprocess.PIPE) as process:
        if process.stdout is None:
            raise SystemExit("the receiver tells nothing")
        try:
            yield process.stdout.readline().decode().strip()
        finally:
            process.terminate()


async def receive() -> web.AppRunner:
    """Take what is sent, until the process ends."""

    async def take(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(content_type="application/x-protobuf")

    app = web.Application(client_max_size=2**26)
    app.router.add_post("/v1/{signal}", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    return runner


@contextmanager
def stack_with(settings: str) -> Iterator[Stack]:
    """Yield a running stack whose configuration has these lines too."""
    with a_project() as project:
        config = project / "salambot.toml"
        config.write_text(f"{settings}\n{config.read_text()}")
        document, _ = up(project)
        token = run(project, "token")[0].strip()
        yield Stack(project, document["services"]["gateway"]["url"], {"Authorization": f"Bearer {token}"})


def measure() -> list[Row]:
    """Load both stacks in turn, each first in every other round; compare the median of the rounds' ratios."""
    with ExitStack() as stack:
        url = stack.enter_context(receiver())
        stacks = {
            "off": stack.enter_context(stack_with("")),
            "on": stack.enter_context(stack_with(_EXPORTS.format(url=url))),
        }
        for one in stacks.values():
            put_load(_job(one, WARM_UP))
        rounds = [_round(stacks, turned=bool(number % 2)) for number in range(ROUNDS)]
    off, on = (statistics.median(found[name] for found in rounds) for name in ("off", "on"))
    ratio = statistics.median(found["on"] / found["off"] for found in rounds)
    what = "requests with telemetry exported, beside none"
    return [Row(what, on, off, "/s", on * 0.9 / ratio, "≥ 0.9 ×", more_is_better=True)]


def _round(stacks: dict[str, Stack], *, turned: bool) -> dict[str, float]:
    names = sorted(stacks, reverse=turned)
    return {name: put_load(_job(stacks[name], SECONDS)).rate for name in names}


def _job(stack: Stack, seconds: float) -> Job:
    return Job(f"{stack.gateway}/v1/generate/reply", bodies(), CONNECTIONS, seconds, stack.headers)


if __name__ == "__main__":
    if "--receive" in sys.argv:
        import asyncio

        async def forever() -> None:
            """Receive until terminated."""
            await receive()
            await asyncio.Event().wait()

        asyncio.run(forever())
    else:
        print(markdown(measure()))
