"""Several of each service as processes behind a real nginx, as a cluster runs them: killed, and restarted in turn."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from tests.servers import free_port

START_S = 90
STOP_S = 40
GRACE_S = 15
"""For requests under way at the end, as long as a loaded machine may take for one."""
# What was not sent yet is always given to another server. `repeating` does so with what may have arrived too: right for
# requests that may be repeated (an Idempotency-Key, a webhook with ids of its own, a search), and for no others.
_NEVER_TWICE = "error"
_REPEATING = "error timeout http_502 http_503 non_idempotent"
_NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log warn;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/bodies;
  proxy_temp_path {folder}/answers;
  fastcgi_temp_path {folder}/unused;
  uwsgi_temp_path {folder}/unused;
  scgi_temp_path {folder}/unused;
  proxy_http_version 1.1;
  proxy_buffering off;
  map $http_upgrade $upgrading {{ default upgrade; "" ""; }}
  {services}
}}
"""
_UPSTREAM = """
  upstream {service} {{ {servers} keepalive 32; }}"""
_LISTENER = """
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://{service};
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $upgrading;
      proxy_read_timeout 1h;
      proxy_next_upstream {given_on};
    }}
  }}"""


class Fleet:
    """Use it as a context manager: all runs inside. A replica is named after its service: `rag-1` runs rag.

    Each service gets the balancer's URL of every other in its environment, as `RAG_URL`.
    """

    def __init__(self, folder: Path, names: Sequence[str], environ: Mapping[str, str]) -> None:
        self._folder = folder
        self._ports = {name: free_port() for name in names}
        balanced = sorted({_service(name) for name in names} - {"worker"})
        self._strict = {service: free_port() for service in balanced}
        self._repeating = {service: free_port() for service in balanced}
        self._environ = {
            **os.environ,
            **{f"{service.upper()}_URL": self.strict(service) for service in balanced},
            **environ,
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def strict(self, service: str) -> str:
        """Return the balancer's URL at which nothing is sent twice."""
        return f"http://127.0.0.1:{self._strict[service]}"

    def repeating(self, service: str) -> str:
        """Return the balancer's URL at which a request is given to another replica when one dies over it."""
        return f"http://127.0.0.1:{self._repeating[service]}"

    def url(self, name: str) -> str:
        """Return the address of one replica."""
        return f"http://127.0.0.1:{self._ports[name]}"

    def __enter__(self) -> Self:
        self._start_balancer()
        try:
            for name in self._ports:
                self._spawn(name)
            for name in self._ports:
                self._await(name)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end()

    def kill(self, name: str) -> None:
        """End one as a crash would, and start it again."""
        self.crash(name)
        self.start(name)

    def crash(self, name: str) -> None:
        """End one as a crash would."""
        self._running[name].kill()
        self._running[name].wait(timeout=STOP_S)

    def start(self, name: str) -> None:
        """Start one that ended, and wait until it works."""
        self._spawn(name)
        self._await(name)

    def restart(self, name: str) -> None:
        """Ask one to end, wait until it has, start it again and wait until it works: a step of a rolling restart."""
        process = self._running[name]
        process.send_signal(signal.SIGTERM)
        status = process.wait(timeout=STOP_S)
        assert status in {0, -signal.SIGTERM}, f"{name} ended with {status}"
        self.start(name)

    def _start_balancer(self) -> None:
        services = [_UPSTREAM.format(service=service, servers=self._servers(service)) for service in self._strict]
        for given_on, ports in ((_NEVER_TWICE, self._strict), (_REPEATING, self._repeating)):
            services += [
                _LISTENER.format(service=service, port=port, given_on=given_on) for service, port in ports.items()
            ]
        config = self._folder / "nginx.conf"
        config.write_text(_NGINX.format(folder=self._folder, services="".join(services)))
        nginx = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        assert nginx is not None
        command = [nginx, "-p", str(self._folder), "-e", str(self._folder / "nginx.log"), "-c", str(config)]
        self._running["nginx"] = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def _servers(self, service: str) -> str:
        ports = [port for name, port in self._ports.items() if _service(name) == service]
        return " ".join(f"server 127.0.0.1:{port} max_fails=0;" for port in ports)

    def _spawn(self, name: str) -> None:
        service = _service(name)
        module = (
            ["salambot.worker"] if service == "worker" else ["salambot.http.server", service, "--grace", f"{GRACE_S}"]
        )
        with (self._folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", *module, "--port", str(self._ports[name])],
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _await(self, name: str) -> None:
        deadline = time.monotonic() + START_S
        while True:
            assert self._running[name].poll() is None, (self._folder / f"{name}.log").read_text()[-4000:]
            try:
                httpx.get(f"{self.url(name)}/health", trust_env=False, timeout=5).raise_for_status()
            except httpx.HTTPError:
                assert time.monotonic() < deadline, f"{name} does not answer"
                time.sleep(0.05)
            else:
                return

    def _end(self) -> None:
        for process in self._running.values():
            process.send_signal(signal.SIGTERM if process is self._running["nginx"] else signal.SIGKILL)
        for process in self._running.values():
            process.wait(timeout=STOP_S)


def _service(name: str) -> str:
    return name.rpartition("-")[0]
