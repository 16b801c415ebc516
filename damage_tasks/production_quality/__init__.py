"""How well the networks do in production, from people's decisions, and drift of the photos."""
