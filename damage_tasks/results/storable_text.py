"""Text in a form that PostgreSQL accepts."""

MAX_TEXT_CHARACTERS = 8192


def storable(text: str | None) -> str | None:
    """``text`` in a form that PostgreSQL accepts: no NUL, no lone surrogates, limited length."""
    if text is None:
        return None
    return text[:MAX_TEXT_CHARACTERS].encode("utf-8", "replace").decode().replace("\0", "\ufffd")
