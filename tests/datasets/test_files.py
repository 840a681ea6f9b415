"""Files of data: a folder of the user's, the cache, and downloads from a server of the test's."""

import hashlib
import shutil
import socket
import stat
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from skdl.datasets import _files
from skdl.datasets._files import DataFile, path_of, reading
from skdl.exceptions import InvalidParameterError

CONTENT = b"a,b\n1,2\n" * 1000


class Handler(BaseHTTPRequestHandler):
    """Answers with what the test put into `answers`: (status, bytes, promised length) each."""

    def do_GET(self):
        server = self.server
        server.asked.append(self.path)
        status, body, length = server.answers[min(len(server.asked), len(server.answers)) - 1]
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.asked, running.answers = [], [(200, CONTENT, len(CONTENT))]
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def surroundings(monkeypatch, tmp_path):
    """No folder of the user's, a cache that is empty, no proxy and no waiting."""
    monkeypatch.delenv("SKDL_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(_files, "_DELAY_SECONDS", 0.0)


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache" / "skdl" / "data"


def data_file(server, convert=None, content=CONTENT, name="table.csv"):
    url = f"http://127.0.0.1:{server.server_address[1]}/folder/raw.txt"
    return DataFile(name, url, hashlib.sha256(content).hexdigest(), convert)


def fetched(file, data_home=None, *, download_if_missing=True):
    return path_of("fetch_it", file, data_home=data_home, download_if_missing=download_if_missing)


def test_download_is_kept_in_the_cache_which_is_asked_first(server, cache):
    path = fetched(data_file(server))
    assert path == cache / "table.csv"
    assert path.read_bytes() == CONTENT
    assert fetched(data_file(server)) == path
    assert fetched(data_file(server), download_if_missing=False) == path
    assert server.asked == ["/folder/raw.txt"]
    assert [each.name for each in cache.iterdir()] == ["table.csv"]


def test_folders_of_the_cache_are_the_users_alone_as_the_compilations_beside_them_ask(
    server, cache
):
    fetched(data_file(server))
    for folder in (cache, cache.parent, cache.parent.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_data_home_is_the_only_place_that_counts(server, cache, tmp_path):
    home = tmp_path / "a" / "home"
    assert fetched(data_file(server), home) == home / "table.csv"
    assert not cache.exists()
    (home / "table.csv").write_bytes(b"mine")
    assert fetched(data_file(server), str(home)).read_bytes() == b"mine"


def test_folder_of_the_environment_comes_before_the_cache(server, monkeypatch, tmp_path):
    in_cache = fetched(data_file(server))
    monkeypatch.setenv("SKDL_DATA", str(tmp_path))
    assert fetched(data_file(server)) == in_cache
    (tmp_path / "table.csv").write_bytes(b"mine")
    assert fetched(data_file(server)) == tmp_path / "table.csv"


def test_download_is_turned_into_what_fetchers_read(server, cache):
    def in_capitals(download, path):
        assert download.name == "raw.txt"
        path.write_bytes(download.read_bytes().upper())

    path = fetched(data_file(server, in_capitals))
    assert path.read_bytes() == CONTENT.upper()
    assert [each.name for each in cache.iterdir()] == ["table.csv"]


def test_download_that_the_user_brought_is_checked_and_turned_too(
    server, cache, monkeypatch, tmp_path
):
    monkeypatch.setenv("SKDL_DATA", str(tmp_path))
    (tmp_path / "raw.txt").write_bytes(CONTENT)
    assert fetched(data_file(server, shutil.copyfile)) == cache / "table.csv"
    assert server.asked == []
    (cache / "table.csv").unlink()
    (tmp_path / "raw.txt").write_bytes(CONTENT[:-1])
    with pytest.raises(OSError, match=r"raw\.txt is not the file that was expected\. Its 7,999 by"):
        fetched(data_file(server))
    assert list(cache.iterdir()) == []


def test_another_file_than_expected_is_refused_and_not_kept(server, cache):
    expected = data_file(server, content=b"what it was")
    found = hashlib.sha256(CONTENT).hexdigest()
    message = (
        rf"^fetch_it: .*raw\.txt is not the file that was expected\. Its 8,000 bytes have the "
        rf"SHA-256 {found}, not {expected.sha256}: .*Try again later, or .* put it, as raw\.txt"
    )
    with pytest.raises(OSError, match=message):
        fetched(expected)
    assert list(cache.iterdir()) == []


def test_file_that_is_cut_short_is_asked_for_again(server, caplog):
    cut = (200, CONTENT[:100], len(CONTENT))
    server.answers.insert(0, cut)
    with caplog.at_level("INFO", "skdl"):
        assert fetched(data_file(server)).read_bytes() == CONTENT
    assert "cut short after 100 of 8,000 bytes" in caplog.text
    assert len(server.asked) == 2


def test_file_that_stays_cut_short_is_refused_and_not_kept(server, cache):
    server.answers = [(200, CONTENT[:100], len(CONTENT))]
    with pytest.raises(ConnectionError, match=r"\(cut short after 100 of 8,000 bytes\)"):
        fetched(data_file(server))
    assert len(server.asked) == 3
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize(("status", "n_tries"), [(404, 1), (503, 3)])
def test_server_that_refuses(server, status, n_tries):
    server.answers = [(status, b"", 0)]
    with pytest.raises(ConnectionError, match=rf"\(HTTP Error {status}: .*\)\. Expected a network"):
        fetched(data_file(server))
    assert len(server.asked) == n_tries


def test_server_that_is_down_says_where_to_put_which_file(cache, monkeypatch, tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/folder/raw.txt"
    monkeypatch.setenv("SKDL_DATA", str(tmp_path / "mine"))
    with pytest.raises(ConnectionError) as error:
        fetched(DataFile("table.csv", url, "0" * 64))
    message = str(error.value)
    assert message.startswith(f"fetch_it: table.csv is not in {tmp_path / 'mine'} or {cache}, and")
    assert f"cannot be downloaded from {url} (" in message
    assert "refused" in message
    assert f"put it, as raw.txt, into {cache} or into a folder that data_home or" in message
    assert "SKDL_DATA" in message


def test_missing_file_that_is_not_to_be_downloaded(server, cache):
    with pytest.raises(FileNotFoundError, match=r"table\.csv is not in .*download_if_missing=True"):
        fetched(data_file(server), download_if_missing=False)
    assert server.asked == []
    assert not cache.exists()


def test_folder_that_cannot_be_written_to_is_named(server, monkeypatch, tmp_path):
    def refuse(**kwargs):
        raise PermissionError("read-only")

    monkeypatch.setattr(_files.tempfile, "TemporaryDirectory", refuse)
    with pytest.raises(
        PermissionError, match=r"cannot write to .* \(read-only\)\. Expected data_h"
    ):
        fetched(data_file(server), tmp_path)


def test_damaged_file_is_named_with_the_cure(tmp_path):
    with (
        pytest.raises(OSError, match=r"^fetch_it: .*table is damaged .*\(KeyError: 'b'\)\. Remove"),
        reading("fetch_it", tmp_path / "table"),
    ):
        {}["b"]


def test_bad_arguments_are_told_together():
    with pytest.raises(InvalidParameterError, match=r"2 parameters(?s:.)*data_home=3 (?s:.)*'yes'"):
        _files.check_arguments("fetch_it", {"data_home": 3, "return_X_y": "yes"})
