"""What bug reports have to say: versions, devices, caches, settings, and where to send them."""

import importlib.metadata
import sys

import numpy as np
import tensorflow as tf

import skdl
from skdl import _compile_cache, _versions


def test_the_command_tells_versions_devices_caches_and_how_to_report(fresh_python):
    done = fresh_python("import runpy; runpy.run_module('skdl', run_name='__main__')")
    for title in ("System:", "Packages:", "Devices of TensorFlow:", "Caches:", "To report a bug"):
        assert title in done.stdout
    assert "whole error message" in done.stdout


def test_it_tells_the_versions_that_run(capsys):
    skdl.show_versions()
    lines = {line.strip() for line in capsys.readouterr().out.splitlines()}
    assert f"numpy: {np.__version__}" in lines
    assert f"executable: {sys.executable}" in lines
    assert f"rich: {importlib.metadata.version('rich')}" in lines
    assert any(line.startswith("CPU:0") for line in lines)


def test_it_tells_where_compilations_are_kept_and_how_large_they_are(monkeypatch, tmp_path):
    (tmp_path / "a").write_bytes(bytes(2 * 1024**2))
    (tmp_path / "b").write_bytes(bytes(1024**2))
    flag = f"--tf_xla_auto_jit=0 --tf_xla_persistent_cache_directory={tmp_path}"
    monkeypatch.setenv("TF_XLA_FLAGS", flag)
    assert _compile_cache.folder_in_use() == tmp_path
    assert f"compilations: {tmp_path} (2 files, 3.0 MiB)" in _versions.describe_machine()
    monkeypatch.setenv("TF_XLA_FLAGS", "")
    assert "compilations: not kept (see SKDL_COMPILE_CACHE)" in _versions.describe_machine()


def test_it_tells_where_fetchers_keep_their_data(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert "data of skdl.datasets: none" in _versions.describe_machine()
    folder = tmp_path / "skdl" / "data"
    folder.mkdir(parents=True)
    (folder / "a").write_bytes(bytes(1024**2))
    assert f"data of skdl.datasets: {folder} (1 files, 1.0 MiB)" in _versions.describe_machine()


def test_settings_are_those_of_skdl_and_tensorflow_and_no_secrets_of_others(monkeypatch):
    monkeypatch.setenv("SKDL_DOCS_URL", "https://example.org")
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")
    monkeypatch.setenv("TF_TOKEN_example_org", "secret")
    told = _versions.describe_machine()
    assert "SKDL_DOCS_URL: https://example.org" in told
    assert "TF_CPP_MIN_LOG_LEVEL: 2" in told
    assert "secret" not in told


def test_a_tensorflow_that_does_not_work_is_reported_not_raised(monkeypatch):
    def broken():
        raise RuntimeError("no driver")

    monkeypatch.setattr(tf.config, "list_physical_devices", broken)
    assert "TensorFlow cannot be used: RuntimeError: no driver" in _versions.describe_machine()


def test_the_address_for_bugs_is_that_of_the_metadata(monkeypatch):
    monkeypatch.setattr(_versions, "project_url", lambda label: f"https://example.org/{label}")
    assert "open an issue in https://example.org/Issues." in _versions.how_to_report()
