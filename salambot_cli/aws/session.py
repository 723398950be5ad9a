"""A boto3 session whose credential chain asks nobody and ends: no prompt for an MFA code, no program that hangs."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import boto3
    from botocore.config import Config
    from botocore.session import Session as CoreSession

PROGRAM_SECONDS = 10.0
_CLI_CACHE = Path("~/.aws/cli/cache")


class MfaNeededError(Exception):
    """A role asks for an MFA code, and nobody is asked here."""


class ProgramHangsError(Exception):
    """The program of `credential_process` does not end."""


def open_session(region: str | None, profile: str | None, keys: Mapping[str, str], config: "Config") -> "boto3.Session":
    """Open a session. `config` bounds the clients that the chain itself makes (SSO, AssumeRole)."""
    import boto3
    from botocore.session import get_session

    core = get_session()
    key = keys.get("AWS_ACCESS_KEY_ID")
    if profile and not key:
        core.set_config_variable("profile", profile)
    core.set_default_client_config(config)
    if not key:
        _bound_chain(core, region)
    return boto3.Session(
        aws_access_key_id=key,
        aws_secret_access_key=keys.get("AWS_SECRET_ACCESS_KEY") if key else None,
        aws_session_token=keys.get("AWS_SESSION_TOKEN") if key else None,
        region_name=region,
        botocore_session=core,
    )


def _bound_chain(core: "CoreSession", region: str | None) -> None:
    from botocore.credentials import ProcessProvider, ProfileProviderBuilder, create_credential_resolver

    class BoundedProfiles(ProfileProviderBuilder):
        def _create_process_provider(self, profile_name: str) -> ProcessProvider:
            return ProcessProvider(profile_name, lambda: core.full_config, popen=BoundedPopen)

    cache = _sessions_of_the_cli()
    resolver = create_credential_resolver(core, cache=cache, region_name=region)
    for provider in resolver.providers:
        if provider.METHOD == "assume-role":
            # botocore takes these two by argument, and offers no way to pass them through a session.
            vars(provider)["_prompter"] = _refuse_to_ask
            vars(provider)["_profile_provider_builder"] = BoundedProfiles(core, cache=cache, region_name=region)
        elif provider.METHOD == ProcessProvider.METHOD:
            vars(provider)["_popen"] = BoundedPopen
    core.register_component("credential_provider", resolver)


def _refuse_to_ask(prompt: str) -> NoReturn:
    raise MfaNeededError(prompt.strip().rstrip(":"))


def _sessions_of_the_cli() -> "dict[str, object]":
    """Return the sessions that the `aws` command keeps: an MFA code given to it serves here."""
    from botocore.utils import JSONFileCache

    kept = JSONFileCache(str(_CLI_CACHE.expanduser()))

    class Sessions(dict[str, object]):
        def __contains__(self, key: object) -> bool:
            return super().__contains__(key) or str(key) in kept

        def __missing__(self, key: str) -> object:
            return kept[key]

    return Sessions()


class BoundedPopen(subprocess.Popen[bytes]):
    """A program that is killed, with what it started, when it does not end in time."""

    def __init__(self, args: list[str], **options: int) -> None:
        super().__init__(args, stdin=subprocess.DEVNULL, start_new_session=True, **options)  # type: ignore[call-overload] # pipes

    def communicate(self, input: bytes | None = None, timeout: float | None = None) -> tuple[bytes, bytes]:  # noqa: A002 - its name there
        seconds = timeout or PROGRAM_SECONDS
        try:
            return super().communicate(input, seconds)
        except subprocess.TimeoutExpired as error:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            super().communicate()
            raise ProgramHangsError(f"credential_process gives no answer within {seconds:g} s") from error
