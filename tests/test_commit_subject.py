"""The check that commit subjects begin with an area."""

import subprocess
import sys
from pathlib import Path

import pytest

CHECK = Path(__file__).resolve().parents[1] / ".ci" / "commit_subject.py"


def check(tmp_path, message):
    file = tmp_path / "COMMIT_EDITMSG"
    file.write_text(message, encoding="utf-8")
    command = [sys.executable, str(CHECK), str(file)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


@pytest.mark.parametrize(
    "message",
    [
        "layers: masks for padded rows\n\nWhy: a series has its own length.\n",
        "# a comment\n\nsearch, docs: what a trial costs\n",
        "model_selection: IteratedKFold by group",
        "Merge branch 'main' into layers",
        'Revert "layers: masks"',
        "fixup! layers: masks",
    ],
)
def test_subjects_with_an_area_pass(tmp_path, message):
    done = check(tmp_path, message)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "message", ["Wrap a line", "Layers: masks", "layers:masks", "layers: ", ": masks", ""]
)
def test_others_are_refused_with_an_example(tmp_path, message):
    done = check(tmp_path, message)
    assert done.returncode == 1
    assert f"{message.strip()!r} names no area" in done.stderr
    assert 'as in "layers: masks for padded rows"' in done.stderr


def test_subjects_of_many_commits_are_read_from_stdin():
    subjects = "layers: masks\nWrap a line\ndocs: glossary\n"
    command = [sys.executable, str(CHECK), "-"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, input=subjects)
    assert done.returncode == 1
    assert "'Wrap a line' names no area" in done.stderr
    assert "masks'" not in done.stderr
