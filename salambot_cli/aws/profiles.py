"""The user's AWS profiles, by name and region; no credential is read."""

import os
from configparser import ConfigParser, Error
from pathlib import Path


def aws_profiles() -> dict[str, str]:
    """Return profile -> region (empty where it names none), in the order of the files."""
    home = Path.home() / ".aws"
    files = (("AWS_CONFIG_FILE", home / "config"), ("AWS_SHARED_CREDENTIALS_FILE", home / "credentials"))
    found: dict[str, str] = {}
    for variable, usual in files:
        parser = ConfigParser(interpolation=None)
        try:
            parser.read(Path(os.environ.get(variable) or usual), encoding="utf-8")
        except (OSError, Error, UnicodeDecodeError):
            continue
        for section in parser.sections():
            if section == "default" or section.startswith("profile ") or variable.endswith("CREDENTIALS_FILE"):
                found.setdefault(section.removeprefix("profile ").strip(), parser.get(section, "region", fallback=""))
    return found
