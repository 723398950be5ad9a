"""How a value is written so that Docker Compose reads the same value back: the one quoter, for `.env` and for YAML."""

import json
import re

_ESCAPES = str.maketrans(
    {"\\": r"\\", '"': r"\"", "$": r"\$", "\n": r"\n", "\r": r"\r", "\t": r"\t"},
)
_NOT_PLAIN_IN_YAML = re.compile("[\x7f-\xa0\u2028\u2029\ufeff\ufffe\uffff]")
"""Characters that JSON leaves unescaped and YAML 1.2 (5.1, 5.4) forbids or reads as a line break."""


def compose_env(value: str) -> str:
    """Quote the value of a line of `.env`. Compose expands neither `$` nor escapes of the result."""
    return f'"{value.translate(_ESCAPES)}"'


def compose_yaml(value: str) -> str:
    """Quote a scalar of a Compose file: a YAML string (every JSON string is one) that is not interpolated."""
    text = json.dumps(value, ensure_ascii=False).replace("$", "$$")
    return _NOT_PLAIN_IN_YAML.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
