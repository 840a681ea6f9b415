"""Compilations on disk: kept for the user alone, bounded, and easy to switch off."""

import os
import subprocess
import sys
from importlib import metadata
from importlib.metadata import PackageNotFoundError

import pytest

from skdl import _compile_cache

FIT = """
import sys
import numpy as np, skdl, skdl.training._part
from skdl.training.engine._traced import Traced
skdl.training._part.worth_compiling = lambda members, n_epochs=0: True
traced = []
trace = Traced._trace
Traced._trace = lambda self, given: [traced.append(1), trace(self, given)][1]
X = np.random.default_rng(0).normal(size=(40, 3))
for units in eval(sys.argv[1]):
    network = skdl.MLPRegressor(units, epochs=2, random_state=0).fit(X, X[:, 0])
    print(units, network.predict(X).tobytes().hex())
print(len(traced))
"""


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """A process in which nothing is set, and a cache that is wanted."""
    monkeypatch.delenv("TF_XLA_FLAGS", raising=False)
    monkeypatch.setenv(_compile_cache.SWITCH, "on")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_folder_belongs_to_the_user_alone(fresh):
    folder = _compile_cache.enable()
    assert folder.is_relative_to(fresh)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert str(folder) in os.environ["TF_XLA_FLAGS"]


def test_folder_that_others_may_read_is_refused(fresh):
    _compile_cache.enable().chmod(0o755)
    os.environ.pop("TF_XLA_FLAGS")
    assert _compile_cache.enable() is None
    assert "TF_XLA_FLAGS" not in os.environ
    with pytest.raises(PermissionError, match="mode 0700"):
        _compile_cache.folder_for(fresh / "skdl")


def test_link_in_place_of_the_folder_is_refused(fresh):
    folder = _compile_cache.folder_for(fresh)
    folder.rmdir()
    elsewhere = fresh / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    folder.symlink_to(elsewhere)
    with pytest.raises(PermissionError, match="Remove it"):
        _compile_cache.folder_for(fresh)


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777])
@pytest.mark.parametrize("which", ["skdl/xla", "skdl", "."])
def test_folder_above_that_others_may_write_to_is_refused(fresh, monkeypatch, caplog, mode, which):
    _compile_cache.enable()
    monkeypatch.delenv("TF_XLA_FLAGS")
    unsafe = fresh / which
    unsafe.chmod(mode)
    assert _compile_cache.enable() is None
    assert "TF_XLA_FLAGS" not in os.environ
    assert f"{unsafe} has mode {mode:04o}" in caplog.text
    assert f"chmod go-w {unsafe}" in caplog.text


def test_nothing_is_made_in_a_folder_that_others_may_write_to(fresh):
    fresh.chmod(0o777)
    assert _compile_cache.enable() is None
    assert list(fresh.iterdir()) == []


def test_folder_above_with_the_sticky_bit_is_taken(fresh, monkeypatch):
    fresh.chmod(0o1777)
    monkeypatch.setenv(_compile_cache.SWITCH, str(fresh / "mine"))
    assert _compile_cache.enable().is_relative_to(fresh / "mine")


def test_folders_made_on_the_way_are_closed_to_others_whatever_the_umask(fresh):
    before = os.umask(0o000)
    try:
        folder = _compile_cache.enable()
    finally:
        os.umask(before)
    for made in (folder, folder.parent, folder.parent.parent):
        assert made.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_folder_above_of_somebody_else_is_refused(fresh, caplog):
    _compile_cache.enable()
    os.environ.pop("TF_XLA_FLAGS")
    os.chown(fresh / "skdl", 65534, 65534)
    assert _compile_cache.enable() is None
    assert "belongs to user 65534" in caplog.text


def test_link_above_is_followed_once_and_what_it_leads_to_is_checked(fresh, monkeypatch):
    elsewhere = fresh / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    (fresh / "link").symlink_to(elsewhere)
    monkeypatch.setenv(_compile_cache.SWITCH, str(fresh / "link"))
    assert _compile_cache.enable().is_relative_to(elsewhere)
    monkeypatch.delenv("TF_XLA_FLAGS")
    elsewhere.chmod(0o777)
    assert _compile_cache.enable() is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (_compile_cache.SWITCH, "off"),
        ("TF_XLA_FLAGS", "--tf_xla_persistent_cache_directory=/somewhere"),
    ],
)
def test_user_has_the_last_word(fresh, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    assert _compile_cache.enable() is None
    assert os.environ.get("TF_XLA_FLAGS", "") in {"", value}


def test_unless_asked_for_an_unsafe_folder_is_no_warning(fresh, monkeypatch, caplog):
    monkeypatch.delenv(_compile_cache.SWITCH)
    fresh.chmod(0o777)
    assert _compile_cache.enable() is None
    assert not caplog.records
    fresh.chmod(0o700)
    assert _compile_cache.enable().is_relative_to(fresh)


def test_tensorflow_without_code_for_gpus_keeps_its_compilations_too(fresh, monkeypatch):
    with_gpus = _compile_cache.enable()

    def version(package):
        if package == "tensorflow":
            raise PackageNotFoundError(package)
        return {"tensorflow-cpu": metadata.version("tensorflow")}.get(package) or metadata.version(
            package
        )

    monkeypatch.setattr(_compile_cache, "version", version)
    monkeypatch.delenv("TF_XLA_FLAGS")
    without = _compile_cache.enable()
    assert without.parent == with_gpus.parent
    assert without != with_gpus


def test_only_a_folder_of_ours_is_cleared(fresh, monkeypatch):
    folder = _compile_cache.enable()
    assert not _compile_cache.clear()
    (folder / "one").write_bytes(b"1")
    assert _compile_cache.clear()
    assert list(folder.iterdir()) == []
    (fresh / "of the user").write_bytes(b"1")
    monkeypatch.setenv("TF_XLA_FLAGS", f"--tf_xla_persistent_cache_directory={fresh}")
    assert not _compile_cache.clear()
    assert (fresh / "of the user").exists()


def test_other_flags_are_kept(fresh, monkeypatch):
    monkeypatch.setenv("TF_XLA_FLAGS", "--tf_xla_max_cluster_size=7")
    _compile_cache.enable()
    assert os.environ["TF_XLA_FLAGS"].startswith("--tf_xla_max_cluster_size=7 ")


def test_oldest_compilations_go_first(fresh, monkeypatch):
    folder = _compile_cache.enable()
    for age in (3, 2, 1):
        file = folder / f"{age}"
        file.write_bytes(b"x" * 100)
        os.utime(file, (1000 - age, 1000 - age))
    monkeypatch.setattr(_compile_cache, "_MOST_BYTES", 200)
    os.environ.pop("TF_XLA_FLAGS")
    _compile_cache.enable()
    assert sorted(file.name for file in folder.iterdir()) == ["1", "2"]


def run(folder, widths=(4,)):
    environment = {**os.environ, _compile_cache.SWITCH: str(folder), "TF_XLA_FLAGS": ""}
    return subprocess.run(
        [sys.executable, "-c", FIT, repr(widths)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )


def kept(folder):
    return {file.name for file in folder.rglob("*") if file.is_file()}


@pytest.mark.slow
def test_second_process_neither_traces_nor_compiles_in_whatever_order_and_predicts_the_same_bits(
    tmp_path,
):
    first, files, second = (run(tmp_path, (4, 6)), kept(tmp_path), run(tmp_path, (6, 4)))
    assert first.stderr == second.stderr == ""
    (*expected, n_expected), (*found, n_found) = (
        r.stdout.split("\n")[:-1] for r in (first, second)
    )
    assert sorted(found) == sorted(expected)
    assert int(n_expected) > 0 == int(n_found)
    assert kept(tmp_path) == files
    # Two widths that XLA compiled.
    assert len([name for name in files if name.startswith("xla_")]) == 2


@pytest.mark.slow
def test_what_is_damaged_is_made_anew(tmp_path):
    expected = run(tmp_path).stdout.split("\n")[0]
    for kinds, damage in (
        ("xla_ skdl_", lambda data: data[: len(data) // 2]),
        ("xla_", lambda data: b"?" * len(data)),
        ("skdl_", lambda data: b"?" * len(data)),
    ):
        files = [file for file in tmp_path.rglob("*") if file.is_file()]
        damaged = [file for file in files if file.name.startswith(tuple(kinds.split()))]
        assert damaged
        for file in damaged:
            file.write_bytes(damage(file.read_bytes()))
        assert run(tmp_path).stdout.split("\n")[0] == expected
