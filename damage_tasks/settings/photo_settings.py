"""Which photos are accepted, from where, and with which limits."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, SecretStr

from damage_tasks.settings.allow_lists import (
    allowed_bucket,
    allowed_folder,
    allowed_host,
    signed_host,
)
from damage_tasks.settings.base import CommaSeparated, Group, setting

Hosts = CommaSeparated[Annotated[str, AfterValidator(allowed_host)]]
SignedHosts = CommaSeparated[Annotated[str, AfterValidator(signed_host)]]
Buckets = CommaSeparated[Annotated[str, AfterValidator(allowed_bucket)]]
Folders = CommaSeparated[Annotated[str, AfterValidator(allowed_folder)]]


class PhotoSettings(Group):
    """Which photos are accepted, from where, and with which limits."""

    allowed_hosts: Hosts = setting(
        (),
        "Hosts from which photos may be downloaded, comma-separated: `HOST`, `HOST:PORT` or "
        "`*.HOST` for all subdomains. Empty allows every public host.",
        "photos.acme.example,*.cloudfront.net",
    )
    allowed_buckets: Buckets = setting(
        (),
        "Buckets from which `s3://` photos may be read, comma-separated. Empty allows every "
        "bucket that the worker's role can read.",
        "acme-photos",
    )
    allow_http: bool = setting(
        False, "Whether photos may be downloaded over unencrypted `http://`.", "true"
    )
    allow_private_addresses: bool = setting(
        False,
        "Whether photos may be downloaded from private, loopback or link-local addresses. For "
        "development only: in production, it lets callers reach your internal services.",
        "true",
    )
    file_roots: Folders = setting(
        (),
        "Folders from which `file://` photos may be read, comma-separated. Empty allows none.",
        "/srv/photos",
    )

    max_photo_bytes: int = setting(
        32 * 1024 * 1024, "Maximum size of a photo in bytes.", "33554432", ge=1024
    )
    max_photo_pixels: int = setting(
        250_000_000,
        "Maximum number of pixels of a photo of any format; checked in its header before it is "
        "decoded. Each format also has its own limit: 250 million for JPEG, which is decoded at "
        "reduced scale, and 65 million for PNG, WebP and HEIC.",
        "64000000",
        ge=10000,
    )
    max_photo_megabytes: int = setting(
        512,
        "Maximum memory (MiB) for examining one photo, in addition to the memory of the worker "
        "process; calculated from the photo's header before it is decoded.",
        "512",
        ge=64,
    )
    min_photo_side: int = setting(
        64, "Minimum number of pixels on a photo's shorter side.", "64", ge=1
    )
    max_metadata_bytes: int = setting(
        8192, "Maximum size of a caller's metadata, in bytes of JSON.", "8192", ge=2, le=131072
    )
    connect_timeout: float = setting(
        5.0, "Maximum seconds to connect to a photo's server.", "5", gt=0, le=60
    )
    stall_timeout: float = setting(
        10.0,
        "Seconds for which a download may receive less than 1 KiB per second on average.",
        "10",
        ge=1,
        le=300,
    )
    download_timeout: float = setting(
        30.0, "Maximum seconds for a whole download, including redirects.", "30", gt=0, le=600
    )
    max_redirects: int = setting(3, "Maximum number of redirects to follow.", "3", ge=0, le=20)

    cloudfront_hosts: SignedHosts = setting(
        (),
        "CloudFront hosts whose URLs are signed before downloading, comma-separated.",
        "d111111abcdef8.cloudfront.net",
    )
    cloudfront_key_pair_id: str | None = setting(
        None, "Id of the CloudFront public key that matches the private key.", "K2JCJMDEHXQW5F"
    )
    cloudfront_private_key: SecretStr | None = setting(
        None,
        "RSA private key for CloudFront, as PEM text or as the path of a PEM file.",
        "/run/secrets/cloudfront.pem",
    )
