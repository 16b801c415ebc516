"""The networks that examine photos: one bundle, or several with a share of the photos each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from damage_tasks.ports import Networks

if TYPE_CHECKING:
    from model_store.rollout import Rollout


class Serving:
    """The loaded networks, by the digest of their bundle; `rollout` assigns the photos to them.

    A photo whose bundle is not loaded is examined by ``substitute`` (a digest), or by the
    `main` bundle if that is not loaded either.
    """

    def __init__(
        self,
        networks: Mapping[str, Networks],
        rollout: Rollout | None = None,
        substitute: str | None = None,
    ) -> None:
        self._networks = dict(networks)
        self._rollout = rollout
        self._substitute = substitute or ""
        shares = rollout.shares if rollout else ()
        largest_first = sorted(shares, key=lambda share: -share.percent)
        digests = [share.digest for share in largest_first] + [self._substitute, *self._networks]
        self.main = next(self._networks[d] for d in digests if d in self._networks)

    @classmethod
    def only(cls, networks: Networks) -> Serving:
        """One bundle for all photos."""
        return cls({networks.identity.digest: networks})

    def of_photo(self, photo_sha256: str) -> Networks:
        """The networks that examine a photo; the same ones each time while nothing changes."""
        if self._rollout is None:
            return self.main
        chosen = self._networks.get(self._rollout.share_of(photo_sha256).digest)
        return chosen or self._networks.get(self._substitute) or self.main
