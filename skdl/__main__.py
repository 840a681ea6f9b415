"""Say what a bug report needs: ``python -m skdl``."""

from __future__ import annotations

import sys

from skdl._versions import describe_machine, how_to_report

if __name__ == "__main__":
    sys.stdout.write(describe_machine() + how_to_report())
