"""Classifies S3's errors: whether they are temporary, and whose fault they are."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointProviderError,
    ParamValidationError,
)

# Returned with various statuses; boto3 renews expired credentials.
_TEMPORARY_CODES = frozenset({
    "ExpiredToken", "ExpiredTokenException", "InternalError", "OperationAborted",
    "RequestLimitExceeded", "RequestTimeout", "RequestTimeoutException", "ServiceUnavailable",
    "SlowDown", "TemporaryRedirect", "TokenRefreshRequired", "TooManyRequests",
})  # fmt: skip
_TEMPORARY_STATUSES = frozenset({408, 425, 429})

# Errors of a request's credentials, signature or clock, independent of the object.
CREDENTIAL_CODES = frozenset({
    "AuthorizationHeaderMalformed", "AuthorizationQueryParametersError",
    "CredentialsNotSupported", "IncompleteSignature", "InvalidAccessKeyId",
    "InvalidClientTokenId", "InvalidSecurity", "InvalidToken", "MissingAuthenticationToken",
    "MissingSecurityHeader", "RequestExpired", "RequestTimeTooSkewed", "SignatureDoesNotMatch",
    "UnrecognizedClientException", "XAmzContentSHA256Mismatch",
})  # fmt: skip

_MISSING_CODES = frozenset({
    "InvalidBucketName", "InvalidURI", "KeyTooLongError", "NoSuchAccessPoint", "NoSuchBucket",
    "NoSuchKey", "NoSuchVersion", "NotFound",
})  # fmt: skip
_FORBIDDEN_CODES = frozenset({"AccessDenied", "AllAccessDisabled", "Forbidden"})


class Fault(StrEnum):
    """What to do about an error of S3."""

    TEMPORARY = "temporary"  # try again later
    CREDENTIALS = "credentials"  # the sender's credentials, signature or clock are wrong
    MISSING = "missing"  # there is no such object or bucket
    FORBIDDEN = "forbidden"  # the sender may not do this to the object
    REFUSED = "refused"  # S3 will never do this to the object, for another reason


@dataclass(frozen=True, slots=True)
class S3Fault:
    """An error of S3; ``code`` is S3's own and ``message`` its sentence, perhaps empty."""

    fault: Fault
    code: str
    message: str = ""

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" if self.message else self.code


def classify(status: int, code: str) -> Fault:
    """The meaning of a response with an HTTP ``status`` of 300 or more and S3's error ``code``."""
    if (
        code in _TEMPORARY_CODES
        or "Throttl" in code
        or status in _TEMPORARY_STATUSES
        or status >= 500
    ):
        return Fault.TEMPORARY
    if code in CREDENTIAL_CODES:
        return Fault.CREDENTIALS
    if code in _MISSING_CODES or status in (404, 410):
        return Fault.MISSING
    if code in _FORBIDDEN_CODES or status in (401, 403, 407):
        return Fault.FORBIDDEN
    return Fault.REFUSED


def fault_of(error: Exception) -> S3Fault:
    """The meaning of an exception from boto3, urllib3 or the socket below them."""
    if isinstance(error, ClientError):
        answer = error.response.get("Error", {})
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)
        code = str(answer.get("Code") or status)
        return S3Fault(classify(status, code), code, str(answer.get("Message") or ""))
    # boto3 itself rejects the name of the bucket or of the object.
    final = isinstance(error, ParamValidationError | EndpointProviderError)
    if isinstance(error, BotoCoreError) and final:
        return S3Fault(Fault.REFUSED, type(error).__name__, str(error))
    return S3Fault(Fault.TEMPORARY, type(error).__name__, str(error))
