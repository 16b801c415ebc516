"""S3: reading, writing and the meaning of its errors."""

from __future__ import annotations

import multiprocessing
import os
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from damage_tasks.errors import (
    DamageTaskError,
    PhotoForbidden,
    PhotoNotFound,
    PhotoRefused,
    PhotoTooLarge,
    SettingsError,
    StorageError,
    StorageUnavailable,
)
from damage_tasks.settings import Settings
from damage_tasks.storage import s3
from damage_tasks.storage.s3 import Bucket, Signer, read_object, s3_client
from tools.loopback_web_server import Site

PHOTO = bytes(range(256)) * 4000


def read(bucket: str, key: str, limit: int = 2_000_000, timeout: float = 10) -> bytes:
    return read_object(bucket, key, limit=limit, timeout=timeout)


@pytest.fixture
def endpoint(site_as_aws: Site) -> Site:
    """A web server that stands in for S3 and returns what a test specifies."""

    def put(handler: Any) -> None:
        handler.rfile.read(int(handler.headers["Content-Length"]))
        handler.do_GET()

    site_as_aws.server.RequestHandlerClass.do_PUT = put  # type: ignore[attr-defined]
    return site_as_aws


def error_page(code: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()


# --- writing


def test_a_stored_object_exists_until_it_is_deleted(bucket: str) -> None:
    place = Bucket(bucket)
    address = place.put("overlays/a b.jpg", PHOTO, "image/jpeg")
    assert (place.has(address), place.get("overlays/a b.jpg")) == (True, PHOTO)
    s3_client().delete_object(Bucket=bucket, Key="overlays/a b.jpg")
    assert not place.has(address)
    assert not place.has("s3://a-bucket-that-was-deleted/overlays/a.jpg")
    with pytest.raises(PhotoNotFound):
        place.get("overlays/a b.jpg")


def test_web_addresses_of_the_bucket_are_looked_up_too(bucket: str) -> None:
    place = Bucket(bucket, "https://overlays.example")
    assert place.has(place.put("overlays/ä b.jpg", PHOTO, "image/jpeg"))
    assert not place.has("https://elsewhere.example/overlays/a.jpg")


@pytest.mark.parametrize(("status", "is_there"), [(503, True), (403, False), (404, False)])
def test_an_image_counts_as_there_while_s3_is_unavailable(
    endpoint: Site, status: int, is_there: bool
) -> None:
    handler: Any = endpoint.server.RequestHandlerClass
    handler.do_HEAD = handler.do_GET
    endpoint.serve("/overlays/a.jpg", b"", status)
    assert Bucket("overlays").has("s3://overlays/a.jpg") is is_there


def test_a_picture_is_stored_with_its_type_and_kept_by_browsers_for_minutes(bucket: str) -> None:
    address = Bucket(bucket).put("overlays/ab/cd.jpg", PHOTO, "image/jpeg")
    assert address == f"s3://{bucket}/overlays/ab/cd.jpg"
    stored = s3_client().get_object(Bucket=bucket, Key="overlays/ab/cd.jpg")
    assert stored["ContentType"] == "image/jpeg"
    assert stored["CacheControl"] == "private, max-age=300"
    assert stored["Body"].read() == PHOTO


def test_writing_again_replaces_the_picture(bucket: str) -> None:
    pictures = Bucket(bucket)
    pictures.put("a.jpg", b"one", "image/jpeg")
    pictures.put("a.jpg", b"two", "image/jpeg")
    assert read(bucket, "a.jpg") == b"two"


def test_the_address_is_that_of_the_site_before_the_bucket(bucket: str) -> None:
    pictures = Bucket(bucket, "https://overlays.acme.example/")
    assert pictures.put("a b/ü.jpg", b"x", "image/jpeg") == (
        "https://overlays.acme.example/a%20b/%C3%BC.jpg"
    )


def test_writing_to_a_bucket_that_does_not_exist_is_the_operators_fault(aws: Any) -> None:
    with pytest.raises(StorageError, match="s3://no-such-bucket/a: NoSuchBucket"):
        Bucket("no-such-bucket").put("a", b"x", "image/jpeg")


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (403, "AccessDenied", StorageError),
        (403, "InvalidAccessKeyId", StorageError),
        (400, "ExpiredToken", StorageUnavailable),
        (503, "SlowDown", StorageUnavailable),
        (500, "InternalError", StorageUnavailable),
    ],
)
def test_a_refused_write_is_retried_only_if_that_helps(
    endpoint: Site, status: int, code: str, error: type[DamageTaskError]
) -> None:
    endpoint.serve("/photos/a", error_page(code), status)
    with pytest.raises(error, match=f"s3://photos/a: {code}"):
        Bucket("photos").put("a", b"x", "image/jpeg")


# --- reading


@pytest.mark.parametrize("key", ["a.jpg", "ordner/ü b+c&d=e?f#g%41.jpg", "/a", "a//b"])
def test_a_photo_is_read_as_it_was_written(bucket: str, key: str) -> None:
    s3_client().put_object(Bucket=bucket, Key=key, Body=PHOTO)
    assert read(bucket, key) == PHOTO


def test_a_packed_photo_is_not_unpacked(bucket: str) -> None:
    s3_client().put_object(Bucket=bucket, Key="a", Body=PHOTO, ContentEncoding="gzip")
    assert read(bucket, "a") == PHOTO


def test_an_empty_photo_is_read_as_nothing(bucket: str) -> None:
    s3_client().put_object(Bucket=bucket, Key="a", Body=b"")
    assert read(bucket, "a") == b""


def test_a_photo_of_exactly_the_limit_is_read_and_one_byte_more_is_not(bucket: str) -> None:
    s3_client().put_object(Bucket=bucket, Key="a", Body=PHOTO)
    assert read(bucket, "a", limit=len(PHOTO)) == PHOTO
    with pytest.raises(PhotoTooLarge, match=f"more than {len(PHOTO) - 1} bytes"):
        read(bucket, "a", limit=len(PHOTO) - 1)


def test_a_missing_object_is_not_found(bucket: str) -> None:
    with pytest.raises(PhotoNotFound, match="NoSuchKey"):
        read(bucket, "a")
    with pytest.raises(PhotoNotFound, match="NoSuchBucket"):
        read("no-such-bucket", "a")


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (403, "AccessDenied", PhotoForbidden),
        (403, "InvalidObjectState", PhotoForbidden),
        (400, "InvalidBucketName", PhotoNotFound),
        (400, "KeyTooLongError", PhotoNotFound),
        (404, "NoSuchAccessPoint", PhotoNotFound),
        # Of one caller's object, whatever it is: five of them would stop the worker for all.
        (400, "InvalidRequest", PhotoRefused),  # encrypted with a key of the customer's own
        (400, "KMS.DisabledException", PhotoRefused),
        (409, "KMS.KMSInvalidStateException", PhotoRefused),
        (405, "MethodNotAllowed", PhotoRefused),  # a delete marker
        (400, "InvalidArgument", PhotoRefused),
        (301, "PermanentRedirect", PhotoRefused),
        (416, "SomethingNew", PhotoRefused),
        (403, "AccountProblem", PhotoForbidden),
        (403, "InvalidAccessKeyId", StorageError),
        (403, "SignatureDoesNotMatch", StorageError),
        (400, "InvalidToken", StorageError),
        (403, "RequestTimeTooSkewed", StorageError),
        (400, "ExpiredToken", StorageUnavailable),
        (408, "Junk", StorageUnavailable),
        (409, "OperationAborted", StorageUnavailable),
        (429, "TooManyRequests", StorageUnavailable),
        (400, "KMS.ThrottlingException", StorageUnavailable),
        (503, "SlowDown", StorageUnavailable),
        (503, "Junk", StorageUnavailable),
        (500, "InternalError", StorageUnavailable),
        (400, "RequestTimeout", StorageUnavailable),
    ],
)
def test_an_error_of_s3_decides_what_is_at_fault(
    endpoint: Site, status: int, code: str, error: type[DamageTaskError]
) -> None:
    endpoint.serve("/photos/a", error_page(code), status)
    with pytest.raises(error, match=f"s3://photos/a: {code}"):
        read("photos", "a")


def test_a_rejection_names_s3s_own_code(endpoint: Site) -> None:
    endpoint.serve("/photos/a", error_page("KMS.DisabledException"), 400)
    with pytest.raises(PhotoRefused) as caught:
        read("photos", "a")
    assert caught.value.s3_code == "KMS.DisabledException"
    assert str(caught.value) == "s3://photos/a: KMS.DisabledException: no"


def test_where_access_is_denied_s3s_sentence_about_our_role_is_not_passed_on(
    endpoint: Site,
) -> None:
    endpoint.serve("/photos/a", error_page("AccessDenied"), 403)
    with pytest.raises(PhotoForbidden) as caught:
        read("photos", "a")
    assert str(caught.value) == "s3://photos/a: AccessDenied"


def test_a_bucket_that_boto3_cannot_address_is_rejected(
    aws: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    with pytest.raises(PhotoRefused, match="EndpointResolutionError"):
        read("photos--x-s3", "a")


def test_an_endpoint_that_refuses_connections_is_unavailable(
    endpoint: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StorageUnavailable, match="s3://photos/a"):
        read("photos", "a")
    with pytest.raises(StorageUnavailable, match="s3://photos/a"):
        Bucket("photos").put("a", b"x", "image/jpeg")


def body(handler: BaseHTTPRequestHandler, *headers: str) -> None:
    handler.close_connection = True
    handler.wfile.write("\r\n".join(["HTTP/1.1 200 OK", *headers, "", ""]).encode())


def test_a_body_that_drips_is_given_up_when_the_time_is_up(endpoint: Site) -> None:
    def page(handler: BaseHTTPRequestHandler) -> None:
        body(handler, "Content-Length: 1000")
        for _ in range(600):
            handler.wfile.write(b"x")
            time.sleep(0.05)

    endpoint.pages["/photos/a"] = page
    begin = time.monotonic()
    with pytest.raises(StorageUnavailable, match=r"not read within 0\.4 s"):
        read("photos", "a", timeout=0.4)
    assert time.monotonic() - begin < 15


def test_a_body_that_stalls_is_given_up(endpoint: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def page(handler: BaseHTTPRequestHandler) -> None:
        body(handler, "Content-Length: 1000")
        handler.wfile.write(b"x")
        time.sleep(2)

    monkeypatch.setattr(s3, "READ_TIMEOUT_SECONDS", 0.3)
    endpoint.pages["/photos/a"] = page
    with pytest.raises(StorageUnavailable, match="timed out"):
        read("photos", "a")


def test_an_incomplete_body_is_retried(endpoint: Site) -> None:
    def page(handler: BaseHTTPRequestHandler) -> None:
        body(handler, "Content-Length: 1000")
        handler.wfile.write(b"x" * 10)

    endpoint.pages["/photos/a"] = page
    with pytest.raises(StorageUnavailable, match=r"10 of 1000 bytes|10 bytes read"):
        read("photos", "a")


def test_a_body_without_a_length_is_bounded_too(endpoint: Site) -> None:
    def page(handler: BaseHTTPRequestHandler) -> None:
        body(handler, "Transfer-Encoding: chunked")
        handler.wfile.write(b"3e8\r\n" + b"x" * 1000 + b"\r\n0\r\n\r\n")

    endpoint.pages["/photos/a"] = page
    assert read("photos", "a", limit=1000) == b"x" * 1000
    with pytest.raises(PhotoTooLarge):
        read("photos", "a", limit=999)


def test_a_photo_read_to_its_end_leaves_the_connection_for_the_next(endpoint: Site) -> None:
    ports = set()

    def page(handler: BaseHTTPRequestHandler) -> None:
        ports.add(handler.client_address[1])
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nphoto")

    endpoint.pages["/photos/a"] = page
    assert [read("photos", "a") for _ in range(3)] == [b"photo"] * 3
    assert len(ports) == 1


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_makes_its_own_client(bucket: str) -> None:
    Bucket(bucket).put("a", PHOTO, "image/jpeg")
    parents = s3_client()
    fork = multiprocessing.get_context("fork")
    answers = fork.Queue()
    child = fork.Process(target=lambda: answers.put((s3_client() is parents, read(bucket, "a"))))
    child.start()
    assert answers.get(timeout=60) == (False, PHOTO)
    child.join()
    assert s3_client() is parents
    assert read(bucket, "a") == PHOTO


# --- CloudFront's key; signatures are tested in photos/test_signing.py


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    def pem(key: Any, encryption: Any = None) -> str:
        return key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            encryption or serialization.NoEncryption(),
        ).decode()

    rsa_key = rsa.generate_private_key(65537, 2048)
    good = tmp_path / "key.pem"
    good.write_text(pem(rsa_key))
    return {
        "text": good.read_text(),
        "path": str(good),
        "elliptic": pem(ec.generate_private_key(ec.SECP256R1())),
        "encrypted": pem(rsa_key, serialization.BestAvailableEncryption(b"x")),
        "truncated": good.read_text()[:300],
        "missing": str(tmp_path / "nothing.pem"),
        "folder": str(tmp_path),
        "junk": "hunter2" + os.urandom(300).hex(),
    }


def signer(key: str) -> Signer:
    return Signer(
        Settings(
            cloudfront_hosts=("d1.cloudfront.net",),
            cloudfront_key_pair_id="K1",
            cloudfront_private_key=SecretStr(key),
        )
    )


@pytest.mark.parametrize("kind", ["text", "path"])
def test_the_key_may_be_given_as_text_or_as_a_file(keys: dict[str, str], kind: str) -> None:
    assert "Signature=" in signer(keys[kind]).sign(
        "https://d1.cloudfront.net/a", "D1.cloudfront.net"
    )


@pytest.mark.parametrize(
    "kind", ["elliptic", "encrypted", "truncated", "missing", "folder", "junk"]
)
def test_a_key_that_cannot_sign_is_named_but_not_shown(keys: dict[str, str], kind: str) -> None:
    with pytest.raises(SettingsError, match="DAMAGE_CLOUDFRONT_PRIVATE_KEY") as caught:
        signer(keys[kind])
    assert "hunter2" not in str(caught.value)
