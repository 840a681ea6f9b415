"""The documentation: the newcomer's path word by word, the reference, the gallery."""

import re
from pathlib import Path

import pytest

import skdl
import skdl.export
import skdl.inspection
import skdl.model_selection
import skdl.reporting
import skdl.serving

START = Path(__file__).resolve().parents[1] / "docs" / "start.rst"


def python_blocks(page):
    """Return the Python code of a page's code blocks, in order."""
    found = re.findall(r"\.\. code-block:: python\n\n((?:(?:   .*)?\n)+)", page)
    return [re.sub(r"(?m)^   ", "", block) for block in found]


def test_blocks_are_found_and_hold_no_shell():
    blocks = python_blocks(START.read_text(encoding="utf-8"))
    assert len(blocks) == 3
    assert all("python3 -m venv" not in block for block in blocks)
    assert blocks[0].startswith("import skdl\n")


@pytest.mark.slow
def test_the_code_of_the_start_page_runs_as_it_stands(tmp_path, fresh_python):
    code = "\n".join(python_blocks(START.read_text(encoding="utf-8")))
    prelude = f"import os; os.chdir({str(tmp_path)!r}); os.environ.pop('DISPLAY', None)\n"
    done = fresh_python(prelude + code)
    assert (tmp_path / "curves.png").stat().st_size > 10_000
    assert "Cross-validation of MLPRegressor" in done.stdout
    assert "Diagnosis of MLPRegressor" in done.stdout


def test_no_page_has_the_name_of_one_that_sphinx_writes_itself():
    names = {page.stem for page in START.parent.glob("*.rst")}
    assert len(names) > 5
    assert not names & {"genindex", "py-modindex", "search"}


def test_links_of_the_readme_into_the_repository_lead_somewhere():
    root = START.parents[1]
    links = re.findall(r"\]\((?!https?:)([^)#]+)", (root / "README.md").read_text(encoding="utf-8"))
    assert "docs/training_curves.png" in links
    assert [link for link in links if not (root / link).is_file()] == []


def test_every_public_name_is_in_the_reference():
    reference = (START.parent / "api.rst").read_text(encoding="utf-8")
    listed = set(re.findall(r"(?m)^   (\w+)$", reference))
    for module in (
        skdl,
        skdl.export,
        skdl.inspection,
        skdl.model_selection,
        skdl.reporting,
        skdl.serving,
    ):
        assert set(module.__all__) <= listed


def test_every_page_of_the_gallery_shows_something_and_asserts_what_it_says():
    pages = sorted((START.parents[1] / "examples").glob("*/plot_*.py"))
    assert pages
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert text.startswith('"""\n'), page
        assert re.match(r'"""\n.*\?\n=+\n', text), f"{page}: the title is no question"
        assert re.search(r"(?m)^assert |^    assert ", text), f"{page} asserts nothing"
        assert "plt.show()" in text, f"{page} has no picture"
