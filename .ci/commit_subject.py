"""Check that commit subjects begin with an area, as in "layers: recurrent layers in lockstep".

Usage: ``python .ci/commit_subject.py FILE`` as git's hook commit-msg, or
``git log --no-merges --format=%s A..B | python .ci/commit_subject.py -``.
"""

import re
import sys
from pathlib import Path

SUBJECT = re.compile(r"[a-z][a-z0-9_ /.-]*(, [a-z][a-z0-9_ /.-]*)*: \S")
# Written by git itself; a fixup takes its subject from the commit that it will become part of.
BY_GIT = ("Merge ", "Revert ", "fixup! ", "squash! ", "amend! ")
EXPECTED = (
    'Expected an area in lower case, a colon and what changes, as in "layers: masks for padded '
    'rows" or "docs: glossary". Areas are the folders of skdl (layers, training, search, ...), '
    "docs, tests, examples, benchmarks, ci and house."
)


def subject_of(message: str) -> str:
    """Return the first line that is neither empty nor a comment."""
    lines = (line.strip() for line in message.splitlines())
    return next((line for line in lines if line and not line.startswith("#")), "")


def is_good(subject: str) -> bool:
    """Return whether a subject begins with an area."""
    return subject.startswith(BY_GIT) or bool(SUBJECT.match(subject))


def main(arguments: list[str]) -> int:
    """Return the exit status: 1 if a subject lacks its area."""
    match arguments:
        case ["-"]:
            subjects = sys.stdin.read().splitlines()
        case [file]:
            subjects = [subject_of(Path(file).read_text(encoding="utf-8"))]
        case _:
            sys.stderr.write(__doc__ or "")
            return 2
    bad = [subject for subject in subjects if not is_good(subject)]
    for subject in bad:
        sys.stderr.write(f"{subject!r} names no area.\n")
    if bad:
        sys.stderr.write(f"{EXPECTED}\n")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
