"""``damage-tasks flower``: the operators' view of workers and photos."""

from __future__ import annotations

import typer

CONTEXT_SETTINGS = {"allow_extra_args": True, "ignore_unknown_options": True}


def run(context: typer.Context) -> None:
    """Start Flower on the event bus. It accepts Flower's own options.

    Requires DAMAGE_EVENT_BUS_URL. Listens on 127.0.0.1:5555; any address other than loopback
    requires authentication (--basic-auth, or --auth with an OAuth provider). The history is kept
    in --db across restarts. Each option can also be set by a FLOWER_ variable.

    Example: FLOWER_BASIC_AUTH=ops:secret damage-tasks flower --address=0.0.0.0
    """
    from damage_tasks.flower.application import serve

    serve(context.args)
