"""How often does one fit of a plain MLP walk through its network?

Counts the calls of functions of `skdl.layers` in a second fit, when programs are compiled::

    python benchmarks/count_calls.py
"""

from __future__ import annotations

import collections
import sys

from sklearn.datasets import load_diabetes

import skdl


def main():
    """Print the functions of `skdl.layers` that a second fit calls most."""
    X, y = load_diabetes(return_X_y=True)
    model = skdl.MLPRegressor(epochs=2, random_state=0)
    model.fit(X, y)
    calls = collections.Counter()

    def count(frame, event, _):
        if event == "call" and "/skdl/layers/" in frame.f_code.co_filename:
            calls[frame.f_code.co_qualname] += 1

    sys.setprofile(count)
    model.fit(X, y)
    sys.setprofile(None)
    print(f"rule_of: {calls['rule_of']} calls")
    for name, n_calls in calls.most_common(10):
        print(f"{n_calls:6d} {name}")


if __name__ == "__main__":
    main()
