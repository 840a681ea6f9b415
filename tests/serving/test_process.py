"""The server as a process: what it imports, many clients, a replaced file, SIGTERM."""

import concurrent.futures
import shutil
import signal
import subprocess
import sys

import httpx
import psutil
import pytest

from tests.serving.conftest import ROW

SERVE = """
import atexit, sys
slow = ("keras", "pandas", "scipy", "sklearn", "tensorflow", "skdl.estimators", "skdl.training")
atexit.register(lambda: print("imported:", *[name for name in slow if name in sys.modules]))
from skdl.serving.__main__ import main
main()
"""
N_CLIENTS, N_REQUESTS = 8, 300
MEBIBYTE = 2**20


def send(address, n_requests):
    """Send rows of both forms through one connection; return the answers."""
    with httpx.Client(base_url=address, timeout=60) as client:
        return [client.post("/predict", json={"rows": [ROW] * 2}) for _ in range(n_requests)]


def send_from_all(address, n_requests):
    with concurrent.futures.ThreadPoolExecutor(N_CLIENTS) as pool:
        shares = [n_requests // N_CLIENTS + (i < n_requests % N_CLIENTS) for i in range(N_CLIENTS)]
        return [a for part in pool.map(send, [address] * N_CLIENTS, shares) for a in part]


@pytest.mark.slow
def test_many_clients_a_replaced_file_and_a_graceful_stop(start, file, tmp_path):
    path = shutil.copy(file, tmp_path / "penguins.onnx")
    process, address = start(SERVE, path, "--max-rows", "5")
    first = send_from_all(address, N_REQUESTS // 3)
    before = psutil.Process(process.pid).memory_info().rss
    path.write_bytes(b"something else")
    answers = first + send_from_all(address, N_REQUESTS - len(first))
    assert len(answers) == N_REQUESTS
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert psutil.Process(process.pid).memory_info().rss - before < 4 * MEBIBYTE
    refused = httpx.post(f"{address}/predict", json={"rows": [ROW] * 6})
    assert refused.status_code == 413
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert out.strip() == "imported:"
    assert "Finished server process" in err
    assert "Traceback" not in err


@pytest.mark.slow
def test_workers_share_their_metrics_and_the_file_of_the_start(start, file, tmp_path):
    path = shutil.copy(file, tmp_path / "penguins.onnx")
    process, address = start(
        "import runpy; runpy.run_module('skdl.serving', run_name='__main__', alter_sys=True)",
        path, "--workers", "2",
    )  # fmt: skip
    path.write_bytes(b"something else")
    answers = send_from_all(address, N_REQUESTS)
    assert {answer.status_code for answer in answers} == {200}
    # A worker that dies is replaced, by one with the same model.
    workers = [
        child for child in psutil.Process(process.pid).children() if "spawn_main" in str(
            child.cmdline()
        )
    ]  # fmt: skip
    assert len(workers) == 2
    total = 'skdl_requests_total{route="/predict",status="200"} 300.0'
    assert total in httpx.get(f"{address}/metrics").text.splitlines()
    workers[0].kill()
    workers[0].wait(30)
    answers = send_from_all(address, N_REQUESTS)
    assert {answer.status_code for answer in answers} == {200}
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Traceback" not in err


def serve(*arguments):
    return subprocess.run(
        [sys.executable, "-c", SERVE, *map(str, arguments)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_file_that_is_none_is_one_line(tmp_path):
    done = serve(tmp_path / "none.onnx")
    assert done.returncode == 1
    assert done.stderr.startswith("skdl.serving: there is no file")
    assert done.stderr.count("\n") == 1


def test_a_file_of_others_and_a_bad_limit(tmp_path, monkeypatch, capsys):
    from skdl.serving.__main__ import main

    monkeypatch.setattr(signal, "signal", lambda *_: None)
    path = tmp_path / "other.onnx"
    for content in (b"something else", b""):
        path.write_bytes(content)
        for workers in ("1", "2"):
            with pytest.raises(SystemExit, match=f"{path}' is no ONNX file, or a damaged"):
                main([str(path), "--workers", workers])
    for wrong in (["--max-rows", "0"], ["--port", "65536"], ["--port=-1"], ["--port", "http"]):
        with pytest.raises(SystemExit):
            main([str(path), *wrong])
    told = capsys.readouterr().err
    assert "'0' is no integer of at least 1" in told
    assert "'65536' is no port, an integer from 0 to 65535" in told
    assert "'-1' is no port" in told
    assert "'http' is no port" in told


def test_a_missing_package_says_what_to_install(file, monkeypatch):
    from skdl.serving import create_app
    from skdl.serving.__main__ import main

    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    for name in [name for name in sys.modules if name.startswith("skdl.serving._app")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(SystemExit, match=r'\'fastapi\' is not installed.*pip install "skdl\[serve'):
        main([str(file)])
    with pytest.raises(ImportError, match=r'pip install "skdl\[serve\]"'):
        create_app(file)


def test_settings_reach_the_workers(monkeypatch):
    from skdl.serving._settings import Settings

    monkeypatch.setenv("SKDL_SERVING", "")
    settings = Settings("folder/model.onnx", None, 3, 4, 5)
    settings.hand_on()
    assert Settings.handed_on() == settings
    assert settings.model_name == "model"
