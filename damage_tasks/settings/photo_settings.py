"""Which photos are taken, from where, and how long that may take."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, SecretStr
from pydantic_settings import NoDecode

from damage_tasks.settings.allow_lists import (
    allowed_bucket,
    allowed_folder,
    allowed_host,
    signed_host,
)
from damage_tasks.settings.base import Group, setting

# "a, b" in the environment; pydantic-settings alone would want JSON.
Hosts = Annotated[tuple[Annotated[str, AfterValidator(allowed_host)], ...], NoDecode]
SignedHosts = Annotated[tuple[Annotated[str, AfterValidator(signed_host)], ...], NoDecode]
Buckets = Annotated[tuple[Annotated[str, AfterValidator(allowed_bucket)], ...], NoDecode]
Folders = Annotated[tuple[Annotated[str, AfterValidator(allowed_folder)], ...], NoDecode]


class PhotoSettings(Group):
    """Which photos are taken, from where, and how long that may take."""

    allowed_hosts: Hosts = setting(
        (),
        "Hosts that photos may be downloaded from, comma-separated: `HOST`, `HOST:PORT` or "
        "`*.HOST` for all subdomains. Empty allows every public host.",
        "photos.acme.example,*.cloudfront.net",
    )
    allowed_buckets: Buckets = setting(
        (),
        "Buckets that `s3://` photos may be read from, comma-separated. Empty allows every "
        "bucket the worker's role can read.",
        "acme-photos",
    )
    allow_http: bool = setting(False, "Whether photos may come over unencrypted `http://`.", "true")
    allow_private_addresses: bool = setting(
        False,
        "Whether photos may come from private, loopback or link-local addresses. For "
        "development: in production it lets a caller reach your internal services.",
        "true",
    )
    file_roots: Folders = setting(
        (),
        "Folders that `file://` photos may be read from, comma-separated. Empty allows none.",
        "/srv/photos",
    )

    max_photo_bytes: int = setting(32 * 1024 * 1024, "Largest photo in bytes.", "33554432", ge=1024)
    max_photo_pixels: int = setting(
        64_000_000,
        "Most pixels a photo may have; read from its header before it is decoded.",
        "64000000",
        ge=10000,
    )
    min_photo_side: int = setting(64, "Fewest pixels on a photo's shorter side.", "64", ge=1)
    max_metadata_bytes: int = setting(
        8192, "Largest metadata of a caller, as JSON in bytes.", "8192", ge=2, le=131072
    )
    connect_timeout: float = setting(
        5.0, "Seconds to connect to a photo's server.", "5", gt=0, le=60
    )
    stall_timeout: float = setting(
        10.0,
        "Seconds a download may go without receiving 1 KiB a second on average.",
        "10",
        ge=1,
        le=300,
    )
    download_timeout: float = setting(
        30.0, "Seconds that one download may take in all, redirects included.", "30", gt=0, le=600
    )
    max_redirects: int = setting(3, "Redirects that are followed.", "3", ge=0, le=20)

    cloudfront_hosts: SignedHosts = setting(
        (),
        "CloudFront hosts whose URLs we sign before downloading, comma-separated.",
        "d111111abcdef8.cloudfront.net",
    )
    cloudfront_key_pair_id: str | None = setting(
        None, "Id of the CloudFront public key that belongs to the private key.", "K2JCJMDEHXQW5F"
    )
    cloudfront_private_key: SecretStr | None = setting(
        None,
        "RSA private key for CloudFront, PEM text or the path of a PEM file.",
        "/run/secrets/cloudfront.pem",
    )
