"""Follows a roll-out in the worker's parent: reads the pointer, fetches bundles, reports refusals.

It runs in a thread and not on the way of any photo.  The processes load what it has fetched,
see `damage_tasks.worker.bundle_loader`.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from damage_tasks.errors import BundleError, BundleUnavailable
from damage_tasks.storage.aws_clients import new_client
from damage_tasks.telemetry import sentry
from damage_tasks.telemetry.metrics import get_metrics
from damage_tasks.telemetry.slack import Alert
from damage_tasks.worker.load_attempts import forget_attempts
from damage_tasks.worker.rollout_plan import RolloutPlan, take_refusals
from model_store.fetch import fetch_named, read_rollout
from model_store.rollout import NamedBundle, Rollout, pointer_at

if TYPE_CHECKING:
    from damage_tasks.settings import Settings
    from damage_tasks.worker.state_files import StateFiles

logger = logging.getLogger(__name__)

REFUSALS_SECONDS = 1.0  # between two checks for reports of the processes


class RolloutWatch:
    """The plan of this worker, changed when the pointer changes or a bundle fails.

    ``on_change`` is called with each new plan, before the running processes can read it.
    """

    def __init__(
        self, settings: Settings, files: StateFiles, on_change: Callable[[RolloutPlan], None]
    ) -> None:
        self._uri, self._cache = settings.bundle, settings.bundle_cache
        self._interval = settings.rollout_interval
        self._files = files
        self._on_change = on_change
        self._pointer = pointer_at(settings.bundle, new_client)
        self._plan: RolloutPlan | None = None
        self._etag: str | None = None
        self._trouble: str | None = None
        self._alerts: list[Alert] = []

    def prepare(self) -> RolloutPlan:
        """Fetch what the pointer names, before the processes exist.

        Without the store, this is the roll-out that was read last.  Raises `BundleError`.
        """
        rollout = read_rollout(self._uri, self._cache, new_client)
        previous = RolloutPlan.read(self._files.rollout)
        plan = self._fetched(rollout, previous.for_next_worker() if previous else None)
        if not plan.usable:
            plan = self._fetched(rollout, None)
        if not plan.usable:
            raise BundleError("; ".join(plan.refused.values()))
        self._change(plan)
        return plan

    def start(self, post: Callable[[Alert], None]) -> None:
        """Start the thread, which calls ``post`` with each alert."""
        threading.Thread(target=self._run, args=(post,), name="rollout-watch", daemon=True).start()

    def check_pointer(self) -> None:
        """Read the pointer if it has changed, fetch its bundles, and change the plan.

        A store that is unreachable or a roll-out that is invalid leaves the plan as it is.
        """
        try:
            stored = self._pointer.read(self._etag)
            if stored is not None:
                self._change(self._fetched(stored.rollout, self._plan))
                self._etag = stored.etag
        except BundleUnavailable as error:
            logger.warning("the roll-out is not updated: %s", error)
        except BundleError as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                subject = f"{error.code} {error}"
                self._alert(Alert(error.code, str(error), fleet_subject=subject), error)
        else:
            self._trouble = None

    def check_refusals(self) -> None:
        """Withdraw the bundles that failed in a process."""
        plan = self._plan
        assert plan is not None
        reports = take_refusals(self._files.refusals)
        new = {digest: found for digest, found in reports.items() if digest not in plan.refused}
        for digest, refusal in new.items():
            self._report_refusal(digest, refusal.reason, plan)
        if new:
            refused = {**plan.refused, **{digest: found.reason for digest, found in new.items()}}
            retried = plan.retried | {digest for digest, found in new.items() if not found.lasts}
            self._change(replace(plan, refused=refused, retried=retried))

    def _run(self, post: Callable[[Alert], None]) -> None:
        due = 0.0
        while True:
            try:
                self._post_alerts(post)
                self.check_refusals()
                if time.monotonic() >= due:
                    self.check_pointer()
                    if self._plan is not None:
                        self._forget_attempts(self._plan)
                    due = time.monotonic() + self._interval * random.uniform(0.5, 1.5)
            except Exception:
                logger.exception("the roll-out was not checked")
            time.sleep(REFUSALS_SECONDS)

    def _post_alerts(self, post: Callable[[Alert], None]) -> None:
        while self._alerts:
            post(self._alerts.pop(0))

    def _fetched(self, rollout: Rollout, previous: RolloutPlan | None) -> RolloutPlan:
        """The plan for ``rollout``; raises `BundleUnavailable`."""
        substitute, folders = rollout.fallback, {}
        if substitute is None and previous is not None:
            substitute = next((b for b in previous.usable if _is_kept(previous, b)), None)
            folders = {substitute.digest: previous.folders[substitute.digest]} if substitute else {}
        named = {bundle.digest: bundle for bundle in rollout.bundles}
        remembered = previous.refused if previous else {}
        refused = {digest: why for digest, why in remembered.items() if digest in named}
        new: dict[str, str] = {}
        retried = previous.retried & refused.keys() if previous else frozenset()
        plan = RolloutPlan(rollout, substitute=substitute, retried=retried)
        for digest, bundle in named.items():
            if digest in refused:
                continue
            try:
                fetched = fetch_named(self._uri, bundle, self._cache, new_client)
                folders[digest] = str(fetched.folder)
            except BundleUnavailable:
                raise
            except BundleError as error:
                new[digest] = str(error)
        # Only now: while another bundle is unavailable, all are fetched again and again.
        for digest, reason in new.items():
            self._report_refusal(digest, reason, plan)
        return replace(plan, folders=folders, refused={**refused, **new})

    def _change(self, plan: RolloutPlan) -> None:
        if plan == self._plan:
            return
        self._on_change(plan)
        self._plan = plan
        self._forget_attempts(plan)
        try:
            plan.write(self._files.rollout)
        except OSError as error:
            logger.error("running processes keep the bundles that they have: %s", error)

    def _forget_attempts(self, plan: RolloutPlan) -> None:
        forget_attempts(self._files.attempts, {bundle.digest for bundle in plan.named})

    def _report_refusal(self, digest: str, reason: str, plan: RolloutPlan) -> None:
        version = _version_of(digest, plan)
        error = BundleError(f"bundle {version} is refused; another one continues: {reason}")
        if metrics := get_metrics():
            metrics.refused(version)
        subject = f"{digest} is refused in the roll-out of {plan.rollout.updated.isoformat()}"
        cause = f"bundle {version} is refused"
        self._alert(Alert(cause, str(error), lasts=True, fleet_subject=subject), error)

    def _alert(self, alert: Alert, error: BundleError) -> None:
        logger.error("%s", error)
        self._alerts.append(replace(alert, sentry_event=sentry.report(error)))


def _is_kept(plan: RolloutPlan, bundle: NamedBundle) -> bool:
    return Path(plan.folders[bundle.digest]).is_dir()


def _version_of(digest: str, plan: RolloutPlan) -> str:
    return next((bundle.version for bundle in plan.named if bundle.digest == digest), digest[:12])
