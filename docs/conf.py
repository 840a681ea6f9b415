"""Sphinx configuration."""

import functools
import importlib.metadata
import inspect
import json
import os
import re
import sys
from pathlib import Path

from docutils import nodes

import skdl
from skdl._doc_links import documentation_url
from skdl.datasets._files import find
from skdl.datasets._sources import SOURCES
from skdl.estimators import describe_space

sys.path.insert(0, str(Path(__file__).resolve().parent / "_ext"))

project = "skdl"
author = "The skdl developers"
project_copyright = "The skdl developers, BSD-3-Clause"
release = importlib.metadata.version("skdl")
version = release

ROUTED_METHODS = (
    "fit",
    "partial_fit",
    "predict",
    "predict_proba",
    "predict_log_proba",
    "score",
    "split",
)

extensions = [
    "backticks",
    "myst_parser",
    "numpydoc",
    "parameter_groups",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "generated/search_spaces.rst", "sg_execution_times.rst"]
default_role = "code"  # names of it become links by `backticks`

# The pages of other packages. The names that we use are listed in text files, so that a build needs
# no network and fails for no outage of theirs.
OTHERS = {
    "joblib": "https://joblib.readthedocs.io/en/stable/",
    "keras": "https://keras.io/api/",
    "numpy": "https://numpy.org/doc/stable/",
    "optuna": "https://optuna.readthedocs.io/en/stable/",
    "pandas": "https://pandas.pydata.org/docs/",
    "scipy": "https://docs.scipy.org/doc/scipy/",
    "sklearn": "https://scikit-learn.org/stable/",
}
intersphinx_mapping = {
    name: (address, f"inventories/{name}.txt") for name, address in OTHERS.items()
}
# Links that lead nowhere are warnings. A property that is documented by scikit-learn:
nitpicky = True
nitpick_ignore = [("py:obj", "classes_")]

copybutton_prompt_text = ">>> "
copybutton_exclude = ".linenos, .gp, .go"

autosummary_generate = True
# "fit()", not "MLPClassifier.fit()", beside a page of the class.
toc_object_entries_show_parents = "hide"
# What scikit-learn adds to every estimator is documented there, with links that lead nowhere here.
autodoc_default_options = {
    "inherited-members": (
        "BaseEstimator, BaseSearchCV, ClassifierMixin, RegressorMixin, TransformerMixin, "
        "_MetadataRequester, _SetOutputMixin, dict, BaseException"
    ),
    "exclude-members": ", ".join(
        ["get_metadata_routing", *(f"set_{method}_request" for method in ROUTED_METHODS)]
    ),
}
# Attributes and methods are listed by autodoc; a second table of them would only repeat it.
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

# What a parameter takes stands in its description; with fifty of them the signature is long enough.
autodoc_typehints = "none"

html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_js_files = ["wide_figures.js"]
html_title = f"skdl {release}"
html_favicon = "_static/logo_light.svg"
# Every version of the pages reads the list of versions from where the newest are published. Without
# an address, as on one's own machine, each reads its own.
html_baseurl = documentation_url()
html_theme_options = {
    "logo": {
        "text": "skdl",
        "alt_text": "skdl",
        "image_light": "_static/logo_light.svg",
        "image_dark": "_static/logo_dark.svg",
    },
    "switcher": {
        "json_url": f"{html_baseurl}/_static/switcher.json".removeprefix("/"),
        "version_match": "dev" if "dev" in release else release,
    },
    "check_switcher": not html_baseurl,  # a build needs no network
    "navbar_start": ["navbar-logo", "version-switcher"],
    "header_links_before_dropdown": 7,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": True,
    "show_toc_level": 2,
    "navigation_depth": 2,
}
# Pages without pages below or beside them.
html_sidebars = {page: [] for page in ("index", "howto")}
html_show_sourcelink = False

# --------------------------------------------------------------------------------------- gallery

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
# Nothing is downloaded for a build: `python -c "import skdl; skdl.datasets.fetch_imdb()"` does it.
os.environ.setdefault("SKDL_DATA", str(EXAMPLES.parent.parent / "shared" / "data"))


def missing_data():
    """Return {page: the files that it needs and that are not there}."""
    missing = {}
    for page in sorted(EXAMPLES.glob("*/plot_*.py")):
        needed = set(re.findall(r"fetch_(\w+)\(", page.read_text("utf-8")))
        files = [SOURCES[name] for name in sorted(needed)]
        missing[page] = [file.name for file in files if find(file) is None]
    return missing


MISSING = missing_data()
BACKREFERENCES = "generated/backreferences"


def say_what_is_missing(app, docname, source):
    """Say on a page that it was not run, and why."""
    del app
    page = EXAMPLES / f"{docname.removeprefix('auto_examples/')}.py"
    if MISSING.get(page):
        files = ", ".join(MISSING[page])
        source[0] = f".. note:: Shown without output, as {files} was not there.\n\n{source[0]}"


sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    # Pages whose data are missing are shown, but not run.
    "filename_pattern": "|".join(
        re.escape(str(Path(page.parent.name) / page.name))
        for page, missing in MISSING.items()
        if not missing
    ),
    "ignore_pattern": r"(quickstart|cross_validation_tables|image_tables)\.py",
    "subsection_order": [
        f"../examples/{name}"
        for name in (
            "basics",
            "regularisation",
            "validation",
            "tables",
            "images",
            "sequences",
            "text",
            "search",
            "deployment",
            "migration",
        )
    ],
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "capture_repr": ("_repr_html_", "__repr__"),
    "matplotlib_animations": False,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
    "download_all_examples": False,
    "doc_module": ("skdl",),
    "backreferences_dir": BACKREFERENCES,
    "reference_url": {"skdl": None},
    "remove_config_comments": True,
}

# --------------------------------------------------------------------------------------- pages


def home_of_source(app, module_name, name):
    """Return the module with the source of an object, whose ``__module__`` is a public path."""
    del app
    thing = functools.reduce(getattr, name.split("."), sys.modules[module_name])
    function = thing.__init__ if isinstance(thing, type) else thing
    namespace = getattr(inspect.unwrap(function), "__globals__", {"__name__": module_name})
    home = namespace["__name__"]
    return home if home.startswith("skdl.") else module_name


def show_examples(app, docname, source):
    """List on a page of the reference the pages of the gallery that use its object."""
    name = docname.removeprefix("generated/")
    uses = json.loads(
        (Path(app.srcdir) / BACKREFERENCES / "backreferences_all.json").read_text("utf-8")
    )
    if name != docname and uses.get(name):
        heading = f"Examples using {name.rpartition('.')[2]}"
        source[0] += f"\n\n{heading}\n{'-' * len(heading)}\n\n.. minigallery:: {name}\n"


def write_search_spaces(app):
    """Write what an automatic search varies, read from the estimators themselves."""
    lines = []
    for kind in (
        skdl.MLPRegressor,
        skdl.MLPClassifier,
        skdl.CNNRegressor,
        skdl.CNNClassifier,
        skdl.CNN1DRegressor,
        skdl.CNN1DClassifier,
        skdl.RNNRegressor,
        skdl.RNNClassifier,
        skdl.TransformerRegressor,
        skdl.TransformerClassifier,
        skdl.TextRegressor,
        skdl.TextClassifier,
    ):
        lines += [
            f'.. list-table:: What ``"auto"`` searches for :class:`~skdl.{kind.__name__}`',
            "   :header-rows: 1",
            "   :widths: 25 75",
            "",
            "   * - parameter",
            "     - values",
        ]
        for name, values in describe_space(kind()):
            quoted = re.sub(r"(\w+=)?'(\w+)'", r'``\1"\2"``', values)
            lines += [f"   * - ``{name}``", f"     - {quoted}"]
        lines.append("")
    folder = Path(app.srcdir) / "generated"
    folder.mkdir(exist_ok=True)
    (folder / "search_spaces.rst").write_text("\n".join(lines), encoding="utf-8")


# A value's ± and its unit, which narrow columns would part from it.
BELONGS_TO_VALUE = re.compile(r"(?<=\d) (?=(?:ms|s|MB|MiB|GB|GiB|h)\b|[±%])|(?<=±) ")


def keep_values_together(app, doctree, docname):
    """Let no line break inside a value with its error or unit."""
    del app, docname
    for text in list(doctree.findall(nodes.Text)):
        together = BELONGS_TO_VALUE.sub("\N{NO-BREAK SPACE}", text)
        is_prose = text.parent is not None and not isinstance(text.parent, nodes.literal_block)
        if is_prose and together != text:
            text.parent.replace(text, nodes.Text(together))


def setup(app):
    """Connect what is written at the beginning of a build."""
    app.connect("builder-inited", write_search_spaces)
    app.connect("viewcode-follow-imported", home_of_source)
    app.connect("source-read", say_what_is_missing)
    app.connect("source-read", show_examples)
    app.connect("doctree-resolved", keep_values_together)
