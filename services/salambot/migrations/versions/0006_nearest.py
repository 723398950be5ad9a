"""The search of pgvector in one round trip."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create the function; it enters the tenant itself, in the transaction of its own statement."""
    # The planner matches an embedder's partial index only when it sees embedder and dimensions as literals.
    op.execute(
        """
        CREATE FUNCTION nearest_vectors(of_tenant text, of_embedder text, dimensions int, asked real[], most int)
        RETURNS TABLE (digest bytea, similarity float8) LANGUAGE plpgsql AS $$
        BEGIN
          PERFORM enter_tenant(of_tenant);
          RETURN QUERY EXECUTE format(
            'SELECT digest, -((embedding::halfvec(%1$s)) <#> $1::halfvec(%1$s)) FROM vectors '
            'WHERE embedder = %2$L AND tenant = $2 ORDER BY (embedding::halfvec(%1$s)) <#> $1::halfvec(%1$s) LIMIT $3',
            dimensions, of_embedder) USING asked, of_tenant, most;
        END $$"""
    )
