"""The audit log: who did what with which photo.

Every line has the field ``person``, and comes from one logger, so that operators can send it to
where they keep audit logs.
"""

from __future__ import annotations

import logging

audit_log = logging.getLogger("damage_tasks.audit")
# Its own level, so that no DAMAGE_LOG_LEVEL hides its lines.
audit_log.setLevel(logging.INFO)
