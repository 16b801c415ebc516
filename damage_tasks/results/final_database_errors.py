"""Errors that a database, or a pooler in front of it, would return for every further attempt."""

from __future__ import annotations

import re

# https://www.postgresql.org/docs/current/errcodes-appendix.html: invalid authorization, no such
# database, a limit of the server exceeded.
_FINAL_CLASSES = frozenset({"28", "3D", "54"})
# psycopg2 provides no SQLSTATE for connection errors, only the text of PostgreSQL, libpq or a
# pooler.
_FINAL_TEXTS = re.compile(
    r"""unsupported\ startup\ parameter            # PgBouncer
    | doesn't\ support | \bnot\ support(ed)?\b     # RDS Proxy; TLS that one side lacks
    | authentication\ (failed|method)
    | \bauth(orization)?\ failed
    | no\ password\ supplied
    | no\ pg_hba\.conf\ entry
    | (role|user|database)\ "[^"]*"\ does\ not\ exist
    | no\ such\ (database|user)
    | not\ (permitted|allowed)\ to\ (log\ in|connect)
    | permission\ denied
    | not\ currently\ accepting\ connections
    | certificate\ verify\ failed
    | invalid\ (connection\ option|URI\ query\ parameter|sslmode\ value)
    """,
    re.VERBOSE | re.IGNORECASE,
)
# SQLSTATEs that poolers use for their own errors.
_CONNECTION_CLASS = "08"


def is_final_refusal(sqlstate: str, text: str) -> bool:
    """Whether the database would also reject a later attempt.

    ``sqlstate`` is empty if the driver provided none; ``text`` is the complete error text.
    """
    if sqlstate[:2] in _FINAL_CLASSES:
        return True
    return sqlstate[:2] in ("", _CONNECTION_CLASS) and _FINAL_TEXTS.search(text) is not None
