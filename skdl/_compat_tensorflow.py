"""Private parts of TensorFlow that we use, each with what breaks if it goes away.

Nothing else in the package looks up a private name of TensorFlow. Importing this module does not
import it.
"""

from __future__ import annotations

from typing import Any

__all__ = ["without_retracing_warning"]


def without_retracing_warning(function: Any) -> Any:
    """Return a ``tf.function`` that may be traced for each set of shapes without a warning.

    The public argument ``reduce_retracing`` traces for unknown shapes instead, which XLA cannot
    compile. Without the attribute, TensorFlow's warning is in the user's logs.
    """
    function._omit_frequent_tracing_warning = True
    return function
