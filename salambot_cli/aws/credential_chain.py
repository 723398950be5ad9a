"""The credential chain of the SDK, told from its files alone: which profile, which kind of source, which override."""

import os
import shlex
from configparser import ConfigParser, Error
from dataclasses import dataclass, field
from pathlib import Path

_KINDS = (
    ("role_arn", "role"),
    ("sso_session", "sso"),
    ("sso_start_url", "sso"),
    ("sso_account_id", "sso"),
    ("credential_process", "process"),
    ("login_session", "login"),
    ("aws_access_key_id", "keys"),
)


@dataclass(frozen=True, slots=True)
class Profile:
    """One profile of `~/.aws`: what it says, without its secrets."""

    name: str
    settings: dict[str, str] = field(default_factory=dict)
    exists: bool = True
    broken: str | None = None
    """Why the files cannot be read."""
    names: tuple[str, ...] = ()
    """Every profile there is."""

    @property
    def kind(self) -> str:
        """How this profile gets credentials: role, sso, process, login, keys; or none."""
        if "web_identity_token_file" in self.settings:
            return "web identity"
        return next((kind for key, kind in _KINDS if key in self.settings), "none")

    @property
    def program(self) -> str | None:
        """The program of `credential_process`."""
        try:
            words = shlex.split(self.settings.get("credential_process", ""))
        except ValueError:
            return self.settings.get("credential_process")
        return words[0] if words else None

    def endpoint(self, service: str) -> str | None:
        """Return the endpoint that the profile puts in the place of AWS's own."""
        if os.environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
            return None
        return self.settings.get(f"services.{service}.endpoint_url") or self.settings.get("endpoint_url")


def config_file() -> Path:
    """Return where the SDK reads profiles."""
    return Path(os.environ.get("AWS_CONFIG_FILE") or Path.home() / ".aws" / "config").expanduser()


def credentials_file() -> Path:
    """Return where the SDK reads keys."""
    usual = Path.home() / ".aws" / "credentials"
    return Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or usual).expanduser()


def read_profile(name: str | None) -> Profile:
    """Read a profile, `default` without a name. A file that cannot be read is part of the answer."""
    wanted = name or "default"
    try:
        config, keys = _sections(config_file()), _sections(credentials_file())
    except (OSError, Error, UnicodeDecodeError) as error:
        return Profile(wanted, exists=False, broken=str(error).replace("\n", " ")[:300])
    profiles = {
        section.removeprefix("profile ").strip(): values for section, values in config.items() if _is_profile(section)
    }
    names = tuple(dict.fromkeys([*profiles, *keys]))
    if wanted not in names:
        return Profile(wanted, exists=False, names=names)
    settings = {**profiles.get(wanted, {}), **keys.get(wanted, {})}
    settings |= _services(config, settings.get("services"))
    if session := config.get(f"sso-session {settings.get('sso_session')}"):
        settings = {**session, **settings}
    return Profile(wanted, {k: v for k, v in settings.items() if "secret" not in k and "token" not in k}, names=names)


def _is_profile(section: str) -> bool:
    return section == "default" or section.startswith("profile ")


def _sections(path: Path) -> dict[str, dict[str, str]]:
    parser = ConfigParser(interpolation=None, default_section="\0", strict=False)
    if path.is_file():
        parser.read_string(path.read_text(encoding="utf-8"), str(path))
    return {section: dict(parser.items(section)) for section in parser.sections()}


def _services(config: dict[str, dict[str, str]], name: str | None) -> dict[str, str]:
    """Read the nested endpoints of a `[services NAME]` section: `s3 =` and, indented, `endpoint_url = …`."""
    found: dict[str, str] = {}
    for service, text in config.get(f"services {name}", {}).items():
        for line in text.splitlines():
            key, equals, value = line.partition("=")
            if equals and key.strip() == "endpoint_url":
                found[f"services.{service}.endpoint_url"] = value.strip()
    return found
