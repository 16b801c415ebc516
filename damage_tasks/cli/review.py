"""``damage-tasks review``: the inspectors' page."""

from __future__ import annotations

from typing import Annotated

import typer


def run(
    address: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 5556,
) -> None:
    """Serve the inspectors' page: work lists, one photo at a time, and decisions about it.

    Requires DAMAGE_DATABASE_URL and DAMAGE_BUCKET. Any address other than loopback requires a
    sign-in (DAMAGE_REVIEW_SIGN_IN), and DAMAGE_REVIEW_ROLES says who may decide.

    Example: DAMAGE_REVIEW_SIGN_IN=oidc damage-tasks review --address 0.0.0.0
    """
    from damage_tasks.review.server import serve

    serve(address, port)
