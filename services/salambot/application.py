"""What the four services have in common: one way to build their FastAPI application."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

from fastapi import FastAPI

from salambot import logs, problems
from salambot.asgi import BodyLimit, InternalGuard, RequestContext
from salambot.health import Check, add_routes, current_version
from salambot.settings import ServiceSettings

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
__all__ = ["Check", "Lifespan", "service_app"]


def service_app(
    name: str,
    settings: ServiceSettings,
    *,
    lifespan: Lifespan,
    checks: Sequence[Check] = (),
    public: bool = False,
) -> FastAPI:
    """Build a service: problems, ids, limits, health, readiness (`checks`), metrics, the guard of `/internal/*`.

    `public` is for the edge: a new trace begins there, and the API's pages are served.
    """
    logs.configure(settings, name)
    app = FastAPI(
        title=f"SalamBot {name}",
        version=current_version(),
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url="/docs" if public else None,
        redoc_url=None,
        openapi_url="/openapi.json" if public else None,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    problems.install(app)
    app.add_middleware(InternalGuard, token=settings.internal_token)
    app.add_middleware(BodyLimit)
    app.add_middleware(RequestContext, service=name, public=public)
    add_routes(app, name, checks)
    return app
