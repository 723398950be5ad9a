"""A stand-in for AWS's session-manager-plugin that really forwards on loopback. `install` puts it on PATH.

It takes the arguments that the AWS CLI gives the real one, and refuses a token among them. Where a remote `host:port`
is here stands in `vpc.json` beside the program.
"""

import asyncio
import json
import os
import sys
from pathlib import Path


def install(folder: Path, vpc: dict[str, str]) -> None:
    """Write an executable `session-manager-plugin` into a folder, and what the VPC holds."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "session-manager-plugin"
    vpc_file = folder / "vpc.json"
    run = f"import runpy\nrunpy.run_path({__file__!r}, {{'VPC_FILE': {str(vpc_file)!r}}}, '__main__')\n"
    program.write_text(f"#!{sys.executable}\n{run}")
    program.chmod(0o755)
    vpc_file.write_text(json.dumps(vpc))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    finally:
        writer.close()


async def main(vpc: dict[str, str]) -> None:
    """Forward until the session ends: until this process is told to stop."""
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write("1.2.707.0\n")
        return
    variable, _region, action, _profile, parameters_text, _endpoint = sys.argv[1:]
    session = json.loads(os.environ[variable])
    assert action == "StartSession"
    assert session["TokenValue"] not in " ".join(sys.argv)
    parameters = json.loads(parameters_text)
    assert parameters["DocumentName"] == "AWS-StartPortForwardingSessionToRemoteHost"
    values = {name: value[0] for name, value in parameters["Parameters"].items()}
    host, _, port = vpc[f"{values['host']}:{values['portNumber']}"].rpartition(":")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer), return_exceptions=True)

    server = await asyncio.start_server(serve, "127.0.0.1", int(values["localPortNumber"]))
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(json.loads(Path(globals()["VPC_FILE"]).read_text())))
