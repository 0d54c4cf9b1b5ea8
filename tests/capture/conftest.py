"""A running gateway and recorder, as the gateway's own tests have them."""

from tests.gateway.conftest import (
    ask,
    committed_database,
    committed_db,
    own_home,
    provider_stub,
    shared_gateway,
    stub,
    wired,
)

__all__ = ["ask", "committed_database", "committed_db", "own_home", "provider_stub", "shared_gateway", "stub", "wired"]
