"""Where a variable comes from decides what a probe waits for."""

from collections.abc import Callable, Sequence

from salambot_cli.model.environment import Environment


def needs_variables(
    *names: str, also: Sequence[str] = (), source: str | None = None
) -> Callable[[Environment], tuple[str, ...]]:
    """Wait for the configuration; for Secrets Manager only where a variable comes from there.

    Args:
        names: what the probe reads.
        also: what else it needs.
        source: the check that answers for these variables, where it is not a matter of placement.
    """

    def needed(environment: Environment) -> tuple[str, ...]:
        if all(environment.value(name) for name in names):
            return ("config.parse", *also)
        usual = "secrets.read" if environment.placement("secrets") == "aws" else "local.env"
        return ("config.parse", source or usual, *also)

    return needed
