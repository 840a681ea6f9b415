"""Workers of a search that are started from the command line: ``python -m skdl.worker``.

`publish` stores with a study what its workers need to know. Nothing that a worker reads from a
storage is a pickle: the search is in the safe format of `skdl.io`, the rest is JSON.
"""

from skdl._public_path import say_public_path
from skdl.worker._publish import publish

__all__ = ["publish"]

say_public_path(globals())
