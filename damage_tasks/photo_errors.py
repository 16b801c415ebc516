"""Errors of photos that can never be examined.

Each is a verdict: the photo is `rejected`, its message is deleted, and it is never retried.
`damage_tasks.errors` re-exports these.
"""

from __future__ import annotations

from model_store.errors import DamageTaskError

__all__ = [
    "IdConflict",
    "MessageMalformed",
    "MetadataInvalid",
    "NotAPhoto",
    "PhotoForbidden",
    "PhotoNotFound",
    "PhotoRefused",
    "PhotoRejected",
    "PhotoTooLarge",
    "PhotoTooSmall",
    "PhotoUnreadable",
    "PhotoUnsupported",
    "TooManyPixels",
    "TooManyRedirects",
    "TooOld",
    "UrlInvalid",
    "UrlNotAllowed",
]


class PhotoRejected(DamageTaskError):
    """Raised when a photo can never be examined, so that a retry would be useless."""

    code = "photo_rejected"
    default_text = "the photo can never be examined; a retry would be useless"
    s3_code: str | None = None  # S3's own error code, if S3 denied our role the photo


class UrlInvalid(PhotoRejected):
    """Raised when the photo's address is not a valid URL."""

    code = "url_invalid"
    default_text = "the photo's address is not a valid URL"


class UrlNotAllowed(PhotoRejected):
    """Raised when the settings do not allow the photo's scheme, host, bucket or address."""

    code = "url_not_allowed"
    default_text = "the settings do not allow the photo's scheme, host, bucket or address"


class PhotoNotFound(PhotoRejected):
    """Raised when there is nothing at the photo's address (404, 410, NoSuchKey)."""

    code = "photo_not_found"
    default_text = "there is nothing at the photo's address (404, 410, NoSuchKey)"


class PhotoForbidden(PhotoRejected):
    """Raised when access to the photo is denied (401, 403, AccessDenied)."""

    code = "photo_forbidden"
    default_text = "access to the photo is denied (401, 403, AccessDenied)"


class PhotoRefused(PhotoRejected):
    """Raised when the photo's server returns another permanent error (4xx)."""

    code = "photo_refused"
    default_text = "the photo's server returned another permanent error (4xx)"


class TooManyRedirects(PhotoRejected):
    """Raised when the photo's address redirects more often than allowed, or to itself."""

    code = "too_many_redirects"
    default_text = "the photo's address redirects more often than allowed, or to itself"


class PhotoTooLarge(PhotoRejected):
    """Raised when the photo has more bytes than allowed."""

    code = "photo_too_large"
    default_text = "the photo has more bytes than allowed"


class TooManyPixels(PhotoRejected):
    """Raised when a photo has more pixels than allowed, or examining it takes too much memory."""

    code = "too_many_pixels"
    default_text = "the photo has more pixels than allowed, or examining it takes too much memory"


class PhotoTooSmall(PhotoRejected):
    """Raised when the photo's shorter side has fewer pixels than allowed."""

    code = "photo_too_small"
    default_text = "the photo's shorter side has fewer pixels than allowed"


class NotAPhoto(PhotoRejected):
    """Raised when the data is not a JPEG, PNG, WebP or HEIC photo."""

    code = "not_a_photo"
    default_text = "the data is not a JPEG, PNG, WebP or HEIC photo"


class PhotoUnreadable(PhotoRejected):
    """Raised when a photo's data is truncated, damaged or incomplete."""

    code = "photo_unreadable"
    default_text = "the photo's data is truncated, damaged or incomplete"


class PhotoUnsupported(PhotoRejected):
    """Raised when a photo's encoding is not supported, such as arithmetic-coded JPEG."""

    code = "photo_unsupported"
    default_text = "the photo's encoding is not supported, such as arithmetic-coded JPEG"


class MessageMalformed(PhotoRejected):
    """Raised when a message on the queue is not a valid request to inspect a photo."""

    code = "message_malformed"
    default_text = "the message is not a valid request to inspect a photo"


class MetadataInvalid(PhotoRejected):
    """Raised when the caller's metadata is not a JSON object or is larger than allowed."""

    code = "metadata_invalid"
    default_text = "the metadata is not a JSON object or is larger than allowed"


class IdConflict(PhotoRejected):
    """Raised when the id that a message's sender chose already belongs to another photo."""

    code = "id_conflict"
    default_text = "the id that the message's sender chose already belongs to another photo"


class TooOld(PhotoRejected):
    """Raised when the photo was not examined before the deadline that its sender set."""

    code = "too_old"
    default_text = "the photo was not examined before the deadline that its sender set"
