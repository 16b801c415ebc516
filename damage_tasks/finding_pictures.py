"""The overlay and the mask of each finding: stored at the same time, and looked for again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from damage_tasks.examination import Examination
from damage_tasks.inspection import Finding
from damage_tasks.overlay.wanted_pictures import wanted_pictures
from damage_tasks.photos.originals import media_type
from damage_tasks.ports import Pictures
from damage_tasks.storage_retries import retry_until


class FindingPictures:
    """The overlays and masks in ``store``; ``policy`` is DAMAGE_CLEAN_PICTURES."""

    def __init__(self, store: Pictures, policy: str) -> None:
        self.policy = policy
        self._store = store

    def are_complete(self, finding: Finding) -> bool:
        """Whether the pictures that ``finding`` should have still exist."""
        wanted = wanted_pictures(self.policy, finding.verdict)
        addresses = [
            address
            for address, is_wanted in (
                (finding.overlay_url, wanted.overlay),
                (finding.mask_url, wanted.mask),
            )
            if is_wanted
        ]
        return all(address and self._store.has(address) for address in addresses)

    def store(self, examination: Examination, key: str, deadline: float) -> Finding:
        """The finding of ``examination`` with the addresses of its pictures, which are stored.

        ``key`` is that of `picture_key`. While S3 is unavailable, requests are repeated until
        ``deadline`` (`time.monotonic`).  Raises `StorageUnavailable` or `StorageError`.
        """
        put = partial(self._put, deadline)
        overlay, mask = examination.overlay, examination.mask
        # A request takes 20 to 50 ms, most of which is waiting.
        with ThreadPoolExecutor(1) as pool:
            upload = pool.submit(put, f"masks/{key}.png", mask) if mask else None
            overlay_url = put(f"overlays/{key}.jpg", overlay) if overlay else None
            return replace(
                examination.finding,
                overlay_url=overlay_url,
                mask_url=upload.result() if upload else None,
            )

    def _put(self, deadline: float, key: str, data: bytes) -> str:
        return retry_until(deadline, lambda: self._store.put(key, data, media_type(data)))
