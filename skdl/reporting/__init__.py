"""Reports: one page on an estimator, a cross-validation, a search or an ensemble."""

from skdl._public_path import say_public_path
from skdl.reporting._page import Report
from skdl.reporting._report import report

__all__ = ["Report", "report"]

say_public_path(globals())
