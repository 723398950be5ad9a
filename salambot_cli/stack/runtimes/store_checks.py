"""Check a store in the cloud before anything starts: a Redis that is one, not a cluster."""

from dataclasses import replace

from salambot_cli.config.endpoints import ca_bundle
from salambot_cli.model.environment import Environment
from salambot_contracts.redis_url import parse_redis_url

_SECONDS = 3.0


async def redis_cluster_problem(environment: Environment) -> list[str]:
    """Say that the Redis in the cloud is a cluster; one that does not answer is found when it is used.

    The queue changes several keys in one step, which a cluster refuses (CROSSSLOT) unless they share a slot.
    """
    url = environment.value("REDIS_URL")
    if environment.placement("redis") != "cloud" or url is None or environment.aws.jump is not None:
        return []
    import redis.asyncio as redis

    parsed = parse_redis_url(url)
    if (ca := ca_bundle(environment, "redis")) and parsed.tls:
        parsed = replace(parsed, ca=str(ca))
    client = redis.Redis.from_url(parsed.text(), socket_connect_timeout=_SECONDS, socket_timeout=_SECONDS)
    try:
        facts = dict(await client.info())
    except (redis.RedisError, OSError):
        return []
    finally:
        await client.aclose()
    if facts.get("redis_mode") != "cluster" and str(facts.get("cluster_enabled", 0)) != "1":
        return []
    problem = (
        f"the Redis at {parsed.host} runs in cluster mode, which refuses steps over several keys (CROSSSLOT): "
        "use one without cluster mode; ElastiCache Serverless always has it, a node-based cache does not need it"
    )
    return [problem]
