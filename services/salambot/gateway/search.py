"""`POST /v1/search/query`: checked here, answered by rag from the tenant's own documents."""

from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response

from salambot.gateway.auth import agree_on_tenant
from salambot.gateway.edge import Edge
from salambot.gateway.requests import parse, require_json
from salambot.messages import RetrievedPassages, SearchRequest, SearchResponse, utc_now


async def query(edge: Edge, request: Request) -> Response:
    """Answer one search; raises Problem."""
    principal = await edge.authenticator.authenticate(request, "search")
    require_json(request)
    wanted = parse(SearchRequest, await request.body())
    agree_on_tenant(principal, request, wanted.tenant)
    found = await edge.rag.post("/internal/search", wanted, RetrievedPassages, edge.settings.search_timeout_s)
    response = SearchResponse(
        tenant=wanted.tenant,
        query_id=f"qry_{uuid4().hex}",
        timestamp=utc_now(),
        results=found.results,
        took_ms=found.took_ms,
    )
    return Response(response.model_dump_json(), media_type="application/json")
