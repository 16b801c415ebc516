"""How often the networks are right in production, estimated from people's decisions."""
