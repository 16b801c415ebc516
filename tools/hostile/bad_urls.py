"""URLs that are invalid, or lead to places that are not allowed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from tools.hostile.bad_servers import FORBIDDEN, GIVEN_UP, INVALID, NOT_ALLOWED, NOT_FOUND, photo
from tools.hostile.hostile_case import EXAMINED, Case, Ground, case_of_url

APOSTROPHE = "'"  # our requests do not escape it, unlike "<"
INSIDE = [
    "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.0.0.1.", "0.0.0.0", "0",
    "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]", "localhost", "LOCALHOST.", "\uff11\uff12\uff17.0.0.1",
    "127\u30020\u30020\u30021", "169.254.169.254", "2852039166", "0xa9fea9fe", "[fd00:ec2::254]",
    "[::ffff:a9fe:a9fe]", "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "[fe80::1]",
    "[fc00::1]",
    "224.0.0.1", "255.255.255.255", "[ff02::1]",
]  # fmt: skip


def anywhere() -> Iterator[tuple[str, Any, frozenset[str]]]:
    """URLs that no settings allow."""
    yield "no text", "", INVALID
    yield "only a name", "car.jpg", INVALID
    yield "no scheme", "//photos.example/car.jpg", INVALID
    yield "no host", "https:///car.jpg", INVALID
    yield "a number", 7, INVALID
    yield "null", None, INVALID
    yield "a list", ["https://photos.example/car.jpg"], INVALID
    yield "an object", {"url": "https://photos.example/car.jpg"}, INVALID
    yield "spaces", " https://photos.example/a b.jpg ", INVALID
    yield "a line break", "https://photos.example/a\r\nHost: inside", INVALID
    yield "NUL", "https://photos.example/\x00.jpg", INVALID
    yield "half a surrogate pair", "https://photos.example/\ud83d.jpg", INVALID
    yield "10 KB", "https://photos.example/" + "a" * 10_240, INVALID
    yield "10 KB of host", "https://" + "a." * 5_000 + "example/", INVALID
    yield "port 0", "https://photos.example:0/a.jpg", INVALID
    yield "port 99999", "https://photos.example:99999/a.jpg", INVALID
    yield "a backslash", "https://photos.example\\@127.0.0.1/a.jpg", INVALID
    yield "a percent in the host", "https://photos%2eexample/a.jpg", INVALID
    yield "a zone", "https://[fe80::1%25eth0]/a.jpg", INVALID
    yield "a user", "https://user@photos.example/a.jpg", NOT_ALLOWED
    yield "credentials", "https://user:secret@photos.example/a.jpg", NOT_ALLOWED
    yield "credentials like a host", "https://photos.example@127.0.0.1/a.jpg", NOT_ALLOWED
    yield "FTP", "ftp://photos.example/a.jpg", NOT_ALLOWED
    yield "Gopher", "gopher://127.0.0.1:6379/_FLUSHALL", NOT_ALLOWED
    yield "dict", "dict://127.0.0.1:11211/stat", NOT_ALLOWED
    yield "LDAP", "ldap://127.0.0.1/x", NOT_ALLOWED
    yield "data", "data:image/jpeg;base64,/9j/4AAQ", NOT_ALLOWED
    yield "JavaScript", "javascript:alert(1)", NOT_ALLOWED
    yield "jar", "jar:https://photos.example/a.zip!/b.jpg", NOT_ALLOWED
    yield "SQL", "' OR 1=1; DROP TABLE inspections; --", INVALID
    yield "a template", "{{7*7}}${jndi:ldap://127.0.0.1/x}", INVALID
    yield "a path to a parent folder", "../../../../etc/passwd", INVALID
    yield "S3 without a bucket", "s3:///car.jpg", INVALID
    yield "S3 without a key", "s3://damage-photos", INVALID
    yield "S3 with a bad bucket", "s3://Bad_Bucket/car.jpg", INVALID
    yield "S3 upwards", "s3://damage-photos/../damage-overlays/x.jpg", INVALID
    yield (
        "S3 with escaped parent folders",
        "s3://damage-photos/a/%2e%2e/%2E%2E/other/x.jpg",
        INVALID,
    )
    yield "S3 with a key of 2 KB", "s3://damage-photos/" + "k" * 2048, INVALID
    yield "S3 with credentials", "s3://key:secret@damage-photos/car.jpg", INVALID
    yield "S3 with an ARN", "s3://arn:aws:s3:::damage-photos/car.jpg", INVALID


def production() -> Iterator[tuple[str, Any, frozenset[str]]]:
    """URLs that production settings do not allow; see `anywhere` for the others."""
    for host in INSIDE:
        yield f"https at {host}", f"https://{host}/latest/meta-data/", NOT_ALLOWED
    yield "plain http", "http://photos.example/a.jpg", NOT_ALLOWED
    yield "http to the metadata service", "http://169.254.169.254/latest/meta-data/", NOT_ALLOWED
    for port in (22, 80, 3306, 5432, 6379, 8080, 9200, 11211):
        yield f"port {port}", f"https://8.8.8.8:{port}/a.jpg", NOT_ALLOWED
    yield "a file", "file:///etc/passwd", NOT_ALLOWED
    yield "a file on localhost", "file://localhost/proc/self/environ", NOT_ALLOWED


def of_this_stack(ground: Ground) -> Iterator[tuple[str, Any, frozenset[str]]]:
    """URLs in places that the corpus's worker may read."""
    folder = ground.folder
    inside = folder / "photos"
    inside.mkdir(exist_ok=True)
    (folder / "secret.jpg").write_bytes(photo())
    (inside / "good.jpg").write_bytes(photo(2))
    (inside / "way-out.jpg").symlink_to(folder / "secret.jpg")
    (inside / "loop.jpg").symlink_to(inside / "loop.jpg")
    os.mkfifo(inside / "pipe.jpg")
    root = inside.as_uri()
    yield "file", f"{root}/good.jpg", EXAMINED
    yield "missing file", f"{root}/none.jpg", NOT_FOUND
    yield "file outside", "file:///etc/passwd", NOT_ALLOWED
    yield "file upwards", f"{root}/../secret.jpg", NOT_ALLOWED
    yield "file with escaped parent folders", f"{root}/%2e%2e/secret.jpg", NOT_ALLOWED
    yield "file behind a link", f"{root}/way-out.jpg", NOT_ALLOWED
    yield "file that is a loop of links", f"{root}/loop.jpg", INVALID
    yield "file that is a pipe", f"{root}/pipe.jpg", NOT_ALLOWED
    yield "file that is a folder", root, NOT_ALLOWED
    yield "file with NUL", f"{root}/%00.jpg", INVALID
    yield "file with a name of 5 KB", f"{root}/{'a' * 5000}.jpg", INVALID | NOT_FOUND
    yield "file on another host", f"file://fileserver{inside}/good.jpg", INVALID
    yield "missing S3 object", "s3://damage-photos/none.jpg", NOT_FOUND
    yield "missing S3 bucket", "s3://no-such-bucket/a.jpg", NOT_FOUND | FORBIDDEN
    odd = "hostile/' OR 1=1 --/<b>\u00fc \u202e\U0001f697#?&.jpg"
    yield "S3 key with unusual characters", ground.store(odd, photo(4)), INVALID
    quoted = ground.store("hostile/a b+c%2Fd?e=f#g.jpg", photo(6)).replace("%", "%25")
    yield "S3 key with a query", quoted.replace(" ", "%20"), EXAMINED
    yield "S3 key with NUL", "s3://damage-photos/a%00b.jpg", NOT_FOUND | INVALID
    yield "S3 key with a line break", "s3://damage-photos/a%0d%0aX:%20y.jpg", NOT_FOUND | INVALID
    yield "S3 key that is not UTF-8", "s3://damage-photos/%ff%fe.jpg", NOT_FOUND | INVALID
    path = ground.site.serve("/%C3%BC/%F0%9F%9A%97.jpg", photo(8))
    yield "unicode", path.replace("%C3%BC", "\u00fc"), EXAMINED
    yield "a fragment and a query", path + "?a=%00&b=';--#<script>", EXAMINED | INVALID
    port = ground.site.server.server_port
    yield "an unusual spelling of a host", f"http://0x7f.1:{port}/%C3%BC/%F0%9F%9A%97.jpg", EXAMINED


def cases(ground: Ground) -> Iterator[Case]:
    """The cases for a worker of the stack."""
    for name, url, expected in (*anywhere(), *of_this_stack(ground)):
        yield case_of_url(f"URL: {name}", url, expected)
    for kind, key in (("an apostrophe", "o'brien"), ("a quote", 'o"brien'), ("<>", "<b>")):
        ground.site.serve(f"/signed/{quote(key, safe=APOSTROPHE)}.jpg", photo(10))
        url = f"{ground.site.url}/signed/{key}.jpg?X-Amz-Signature=TOPSECRET"
        yield case_of_url(f"signed URL with {kind}", url, EXAMINED)
        url = f"{ground.site.url}/status/500.jpg?{key}&X-Amz-Signature=TOPSECRET"
        yield case_of_url(f"signed URL with {kind}, server unavailable", url, GIVEN_UP)
    yield case_of_url("nothing there", ground.site.url + "/none.jpg", NOT_FOUND)
