"""Files of fitted estimators and pipelines that are safe to load, whoever wrote them."""

from skdl._public_path import say_public_path
from skdl.io._load import load
from skdl.io._save import save
from skdl.io._trusted import trusted_types

__all__ = ["load", "save", "trusted_types"]

say_public_path(globals())
