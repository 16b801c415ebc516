"""Links to overlays and masks that a person can open in a browser, for a limited time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from botocore.config import Config

from damage_tasks.errors import SettingsError
from damage_tasks.storage.aws_clients import new_client
from damage_tasks.storage.s3 import cloudfront_signer, place_of

if TYPE_CHECKING:
    from botocore.signers import CloudFrontSigner
    from types_boto3_s3.client import S3Client

    from damage_tasks.settings import Settings

PICTURES = ("overlay_url", "mask_url")


class PictureLinks:
    """Makes the links that ``settings`` choose; raises `SettingsError` if they choose none."""

    def __init__(self, settings: Settings) -> None:
        if settings.links == "none":
            raise SettingsError(
                "DAMAGE_LINKS: is none, so there are no links that a browser can open. Set it to "
                "presigned or cloudfront."
            )
        self._settings = settings
        self._lifetime = timedelta(seconds=settings.link_seconds)

    def opened(self, result: Any) -> Any:
        """A copy of ``result`` whose overlay and mask have links that can be opened."""
        return {**result, **{name: self.link(result.get(name)) for name in PICTURES}}

    def link(self, address: str | None) -> str | None:
        """The link to the picture at ``address``; any other address stays as it is."""
        place = address and place_of(
            address, self._settings.bucket, self._settings.overlay_base_url
        )
        if not place:
            return address
        bucket, key = place
        if self._settings.links == "presigned":
            return self._s3.generate_presigned_url(
                "get_object",
                Params={"Bucket": bucket, "Key": key},
                ExpiresIn=self._settings.link_seconds,
            )
        url = f"https://{self._settings.link_host}/{quote(key)}"
        return self._cloudfront.generate_presigned_url(
            url, date_less_than=datetime.now(UTC) + self._lifetime
        )

    @cached_property
    def _s3(self) -> S3Client:
        # Older signatures do not open objects that are encrypted with KMS.
        return new_client("s3", Config(signature_version="s3v4"), self._settings.region)

    @cached_property
    def _cloudfront(self) -> CloudFrontSigner:
        return cloudfront_signer(self._settings)
