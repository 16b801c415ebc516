"""The document of a roll-out: which bundles serve, and which percentage of the photos each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field, ValidationError

from model_store.errors import RolloutInvalid
from model_store.manifest import VERSION_PATTERN
from model_store.manifest.networks import Sha256
from model_store.manifest.part import Part, is_number, objects, problems_of

MAX_BUNDLES = 2  # each process holds all of them in memory
MAX_DOCUMENT_BYTES = 16 * 1024
MAX_REASON_CHARACTERS = 500


class NamedBundle(Part):
    """A version of the pointer's bundle and its digest (sha256 of the manifest, hex)."""

    version: Annotated[str, Field(pattern=VERSION_PATTERN)]
    digest: Sha256


class Share(NamedBundle):
    """A bundle and the percentage of photos that it examines."""

    percent: int = Field(ge=1, le=100, strict=True)

    @property
    def bundle(self) -> NamedBundle:
        """The bundle alone."""
        return NamedBundle(version=self.version, digest=self.digest)


class Rollout(Part):
    """The contents of a pointer.

    ``fallback`` is the bundle that examined all photos before the roll-out began.  It takes the
    place of a bundle that fails, and `rolled_back` returns to it.
    """

    schema_version: Literal[1] = Field(alias="schema", default=1)
    shares: tuple[Share, ...] = Field(min_length=1, max_length=MAX_BUNDLES)
    fallback: NamedBundle | None = None
    updated: AwareDatetime
    reason: str = Field(default="", max_length=MAX_REASON_CHARACTERS)

    @classmethod
    def misfits(cls, given: Mapping[str, Any]) -> Iterator[str]:
        """Percentages that do not add up, and a bundle that is named twice."""
        shares = objects(given.get("shares"))
        percentages = [share.get("percent") for share in shares]
        if shares and all(is_number(percent) for percent in percentages):
            total = sum(filter(is_number, percentages))
            if total != 100:
                yield f"the percentages add up to {total} instead of 100"
        for key in ("version", "digest"):
            values = [str(share.get(key)) for share in shares]
            if len(set(values)) < len(values):
                yield f"two shares have the same {key}"

    def share_of(self, photo_sha256: str) -> Share:
        """The share to which a photo belongs, always the same one while nothing changes.

        A larger percentage for the last share keeps the photos that it already had.
        """
        # Other digits than those by which photos are chosen to be kept.
        place = int(photo_sha256[-8:], 16) * 100 >> 32
        for share in self.shares:
            place -= share.percent
            if place < 0:
                return share
        raise AssertionError("the percentages add up to 100")

    @property
    def largest(self) -> NamedBundle:
        """The bundle that examines most photos."""
        return max(self.shares, key=lambda share: share.percent).bundle

    @property
    def bundles(self) -> tuple[NamedBundle, ...]:
        """The bundles of the shares, and the fallback if it is none of them."""
        shares = tuple(share.bundle for share in self.shares)
        extra = self.fallback is not None and self.fallback not in shares
        return (*shares, self.fallback) if extra and self.fallback else shares

    @property
    def stable(self) -> NamedBundle | None:
        """The bundle that examines all photos, or did before the present roll-out."""
        return self.shares[0].bundle if len(self.shares) == 1 else self.fallback

    def to_json(self) -> bytes:
        """The document as it is stored."""
        return self.model_dump_json(by_alias=True, exclude_none=True, indent=2).encode() + b"\n"


def parse_rollout(text: bytes, where: str) -> Rollout:
    """The roll-out in ``text``.

    Raises `RolloutInvalid`, which names the place and every problem.
    """
    if len(text) > MAX_DOCUMENT_BYTES:
        raise RolloutInvalid(f"{where}: has more than {MAX_DOCUMENT_BYTES} bytes")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RolloutInvalid(f"{where}: not JSON: {error}") from None
    if not isinstance(document, dict):
        raise RolloutInvalid(f"{where}: not a JSON object")
    try:
        return Rollout.model_validate(document)
    except ValidationError as error:
        raise RolloutInvalid(f"{where}: {problems_of(error, 'roll-out')}") from None


def with_percentages(
    current: Rollout | None, percentages: Mapping[NamedBundle, int], reason: str = ""
) -> Rollout:
    """The roll-out in which each bundle examines its percentage of the photos.

    The rest, up to 100, goes to the bundle that examined all photos before.  If none did, the one
    with the largest percentage counts as that.  Raises `RolloutInvalid`, which says what is wrong
    with the percentages.
    """
    stable = current.stable if current else None
    percentages = dict(percentages)
    rest = 100 - sum(percentages.values())
    if rest > 0 and stable is not None and stable not in percentages:
        percentages[stable] = rest
    if stable is None and len(percentages) > 1:
        stable = max(percentages, key=lambda bundle: percentages[bundle])
    _check_percentages(percentages, stable)
    # The stable bundle is first, so that a growing share of another one keeps its photos.
    ordered = sorted(percentages, key=lambda bundle: bundle != stable)
    shares = [{**bundle.model_dump(), "percent": percentages[bundle]} for bundle in ordered]
    if current is not None and shares == [share.model_dump() for share in current.shares]:
        # The same time of change, since which the outcomes of its bundles are compared.
        return current.model_copy(update={"reason": _short(reason) or current.reason})
    fallback = None if ordered == [stable] else stable  # None if the roll-out was cancelled
    return _checked(shares, fallback, reason)


def _check_percentages(percentages: Mapping[NamedBundle, int], stable: NamedBundle | None) -> None:
    for bundle, percent in percentages.items():
        if not 1 <= percent <= 100:
            raise RolloutInvalid(
                f"{bundle.version}={percent}: a percentage is from 1 to 100; `rollout back` takes "
                "a version back"
            )
    if len(percentages) > MAX_BUNDLES:
        raise RolloutInvalid(f"at most {MAX_BUNDLES} versions can serve at a time")
    if stable is not None and len(percentages) > 1 and stable not in percentages:
        both = " and ".join(bundle.version for bundle in percentages)
        raise RolloutInvalid(
            f"{both} cannot be rolled out at once, because nothing would be left to compare them "
            f"with: give a percentage to one of them, and {stable.version} keeps the rest"
        )
    total = sum(percentages.values())
    if total != 100:
        hint = ""
        if stable is not None and list(percentages) == [stable]:
            hint = f"; {stable.version} examined all photos before, so name the other version"
        raise RolloutInvalid(f"the percentages add up to {total} instead of 100{hint}")


def rolled_back(current: Rollout, reason: str = "") -> Rollout:
    """The roll-out in which the fallback examines all photos again.

    Raises `RolloutInvalid` if there is none.
    """
    if current.fallback is None:
        only = current.shares[0].version
        raise RolloutInvalid(f"there is nothing to go back to: {only} has no predecessor")
    return _checked([{**current.fallback.model_dump(), "percent": 100}], None, reason)


def _checked(shares: list[dict[str, Any]], fallback: NamedBundle | None, reason: str) -> Rollout:
    document = {
        "schema": 1,
        "shares": shares,
        "fallback": fallback.model_dump() if fallback else None,
        "updated": datetime.now(UTC).isoformat(timespec="seconds"),
        "reason": _short(reason),
    }
    return parse_rollout(json.dumps(document).encode(), "roll-out")


def _short(reason: str) -> str:
    return reason[:MAX_REASON_CHARACTERS]
