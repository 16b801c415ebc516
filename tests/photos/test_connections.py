"""TLS, threads and forks."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler

import pytest

from damage_tasks.errors import DownloadFailed
from damage_tasks.photos.http_download import HttpDownload
from damage_tasks.photos.url_policy import HttpUrl
from damage_tasks.storage.s3 import Signer
from tools.loopback_web_server import Site
from tools.misbehaving_web_servers import PHOTO, get, settings_with

SECRET = "?Signature=secret"


def test_a_certificate_that_is_trusted_is_accepted(tls_site: Site) -> None:
    assert get(tls_site.serve("/a", PHOTO)) == PHOTO


def test_an_untrusted_certificate_is_rejected(
    tls_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(DownloadFailed, match="certificate") as caught:
        get(tls_site.serve("/a", PHOTO) + SECRET)
    assert "secret" not in str(caught.value)
    assert tls_site.requests == []


def test_a_certificate_for_another_name_is_rejected(tls_site: Site) -> None:
    with pytest.raises(DownloadFailed, match=r"localhost|certificate"):
        get(tls_site.serve("/a", PHOTO).replace("127.0.0.1", "localhost"))
    assert tls_site.requests == []


def test_a_server_without_tls_is_rejected(site: Site) -> None:
    with pytest.raises(DownloadFailed):
        get(site.serve("/a", PHOTO).replace("http:", "https:") + SECRET)


def test_missing_root_certificates_are_not_the_photos_fault(
    tls_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/roots.pem")
    with pytest.raises(DownloadFailed):
        get(tls_site.serve("/a", PHOTO))


def test_threads_share_a_reader(site: Site) -> None:
    settings = settings_with(allow_http=True)
    download = HttpDownload(settings, Signer(settings))

    def fetch(number: int) -> bytes:
        url = site.serve(f"/{number}", str(number).encode() * 1000)
        return download.get(HttpUrl(url, "127.0.0.1", site.server.server_port))

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(fetch, range(64)))
    assert found == [str(number).encode() * 1000 for number in range(64)]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_leaves_its_parents_connections_alone(tls_site: Site) -> None:
    ports: list[int] = []

    def page(handler: BaseHTTPRequestHandler) -> None:
        ports.append(handler.client_address[1])
        body = str(handler.client_address[1]).encode()
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    tls_site.pages["/a"] = page
    settings = settings_with()
    download = HttpDownload(settings, Signer(settings))
    url = HttpUrl(f"{tls_site.url}/a", "127.0.0.1", tls_site.server.server_port)
    parents = download.get(url)
    fork = multiprocessing.get_context("fork")
    answers = fork.Queue()
    child = fork.Process(target=lambda: answers.put(download.get(url)))
    child.start()
    childs = answers.get(timeout=60)
    child.join()
    assert child.exitcode == 0
    assert childs != parents
    assert download.get(url) == parents
