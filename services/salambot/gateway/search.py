"""`POST /v1/search/query`: checked here, answered by rag from the tenant's own documents."""

from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response

from salambot.core.schemas import RetrievedPassages, SearchRequest, SearchResponse, utc_now
from salambot.gateway.auth import require_same_tenant
from salambot.gateway.dependencies import GatewayDependencies
from salambot.gateway.request_parsing import parse_body, require_json


async def query(edge: GatewayDependencies, request: Request) -> Response:
    """Answer one search; raises Problem."""
    principal = await edge.authenticator.authenticate(request, "search")
    require_json(request)
    wanted = parse_body(SearchRequest, await request.body())
    require_same_tenant(principal, request, wanted.tenant)
    found = await edge.rag.post("/internal/search", wanted, RetrievedPassages, edge.settings.search_timeout_s)
    response = SearchResponse(
        tenant=wanted.tenant,
        query_id=f"qry_{uuid4().hex}",
        timestamp=utc_now(),
        results=found.results,
        took_ms=found.took_ms,
    )
    return Response(response.model_dump_json(), media_type="application/json")
