"""What the benchmarks share: one fresh process per timing, medians, and tables.

A benchmark script plays two parts. Started by a person it is the parent: it asks for timings and
writes tables. Started by itself with ``--child`` it is one peer doing one task in a fresh process:
it imports first, then starts the clock, and hands its timings back as one line of JSON. So every
peer starts cold, no import is counted, and no peer's threads or caches trouble the next one.
"""

import datetime as dt
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULT_MARK = "benchmark-result:"
# Names the file descriptor on which a child's `tell` reaches the terminal of the parent.
PROGRESS_VARIABLE = "SKDL_BENCHMARK_PROGRESS"


class PeerMissingError(Exception):
    """A peer's library is not installed here."""


# ------------------------------------------------------------------------------------ the child


def timed(function, *args, **kwargs):
    """Return the seconds that a call took, and what it returned."""
    started = time.perf_counter()
    result = function(*args, **kwargs)
    return time.perf_counter() - started, result


def median_seconds(function, *args, calls):
    """Return the median seconds of several equal calls, after one call that is not counted."""
    function(*args)
    return statistics.median(timed(function, *args)[0] for _ in range(calls))


def tell(text):
    """Show a line in the parent's terminal while the child is at work; its output is kept."""
    if PROGRESS_VARIABLE in os.environ:
        os.write(int(os.environ[PROGRESS_VARIABLE]), f"    {text}\n".encode())


def run_as_child(tasks):
    """Do the task named on the command line, if there is one, and exit.

    Parameters
    ----------
    tasks : dict of str to callable
        Called with the keyword arguments that the parent asked for; returns a dict for JSON.
    """
    if "--child" not in sys.argv:
        return
    request = json.loads(sys.argv[sys.argv.index("--child") + 1])
    try:
        result = tasks[request.pop("task")](**request)
    except PeerMissingError as error:
        result = {"missing": str(error)}
    print(RESULT_MARK + json.dumps(result), flush=True)
    sys.exit(0)


# ----------------------------------------------------------------------------------- the parent


def run_in_fresh_process(
    script, *, python=sys.executable, keep_caches=False, timeout_seconds=3600, **request
):
    """Run one task of a script in a new process and return the dict it hands back.

    Parameters
    ----------
    script : str
        Path of the benchmark script.
    python : str, default=sys.executable
        Interpreter of the process, for peers with an environment of their own.
    keep_caches : bool, default=False
        Leave compilations from earlier processes in place. Otherwise the child gets an empty
        folder for its caches, as on a machine that has never run it.
    timeout_seconds : float, default=3600
        A child that takes longer is stopped, and ``subprocess.TimeoutExpired`` raised.
    **request
        The task's name as ``task``, and its keyword arguments.

    Raises
    ------
    RuntimeError
        If the child fails; its last lines of output are in the message.
    """
    with tempfile.TemporaryDirectory(prefix="skdl-benchmark-") as empty_folder:
        environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONWARNINGS": "ignore"}
        if not keep_caches:
            environment["XDG_CACHE_HOME"] = empty_folder
        environment["PYTHONPATH"] = os.pathsep.join(
            [*filter(None, [os.environ.get("PYTHONPATH")]), str(ROOT)]
        )
        # Windows cannot hand a descriptor on: there, children are silent.
        progress = [os.dup(sys.stderr.fileno())] if os.name == "posix" else []
        if progress:
            environment[PROGRESS_VARIABLE] = str(progress[0])
        try:
            finished = subprocess.run(
                [python, script, "--child", json.dumps(request)],
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=timeout_seconds,
                check=False,
                pass_fds=progress,
            )
        finally:
            for descriptor in progress:
                os.close(descriptor)
    for line in reversed(finished.stdout.splitlines()):
        # Progress bars that a peer prints without a line end may stand in front of the mark.
        _, mark, answer = line.partition(RESULT_MARK)
        if mark:
            return json.loads(answer)
    output = "\n".join((finished.stdout + finished.stderr).splitlines()[-20:])
    msg = f"{request} failed with exit code {finished.returncode}. Its last lines:\n{output}"
    raise RuntimeError(msg)


def measure(script, requests, repeats, *, keep_caches=False):
    """Return {name: medians}, running every request ``repeats`` times.

    The repeats go round the peers, so that a slow minute of the machine does not hit one alone.
    Numbers become their median over the repeats, lists the median of each element; everything
    else is taken from the last repeat.
    """
    answers = {name: [] for name in requests}
    for repeat in range(repeats):
        for name, request in requests.items():
            if answers[name] and "missing" in answers[name][-1]:
                continue
            print(f"  {name}: {repeat + 1} of {repeats} …", file=sys.stderr, flush=True)
            answers[name].append(run_in_fresh_process(script, keep_caches=keep_caches, **request))
    return {name: _medians(repeated) for name, repeated in answers.items()}


def _medians(answers):
    last = answers[-1]
    if "missing" in last:
        return last
    result = {}
    for key, value in last.items():
        repeated = [answer[key] for answer in answers]
        if isinstance(value, int | float):
            result[key] = statistics.median(repeated)
        elif isinstance(value, list):
            result[key] = [statistics.median(column) for column in zip(*repeated, strict=True)]
        else:
            result[key] = value
    return result


# ----------------------------------------------------------------------------- words and tables


def format_seconds(seconds):
    """Return a duration with three figures and a unit that people read easily."""
    if seconds < 1:
        return f"{1000 * seconds:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 1000 else f"{seconds:,.0f} s"


def format_ratio(value, reference):
    """Return how many times ``reference`` goes into ``value``."""
    ratio = value / reference
    return f"{ratio:.2g}×" if ratio < 10 else f"{ratio:,.0f}×"


def markdown_table(headers, rows):
    """Return a Markdown table, padded so that it reads well as plain text too."""
    cells = [headers, *rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(headers))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in cells
    ]
    rule = "| " + " | ".join(["-" * widths[0]] + ["-" * (w - 1) + ":" for w in widths[1:]]) + " |"
    return "\n".join([lines[0], rule, *lines[1:]])


def machine_description(packages=("skdl", "tensorflow", "keras", "scikit-learn", "numpy")):
    """Return one paragraph: processor, cores, load, versions, day."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                processor = line.split(":", 1)[1].strip()
                break
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    versions = ", ".join(f"{name} {version}" for name, version in _versions(packages))
    today = dt.datetime.now(tz=dt.UTC).date().isoformat()
    python = platform.python_version()
    return f"{processor}, {cores} cores{load}; Python {python}, {versions}; {today}."


def _versions(packages):
    for name in packages:
        try:
            yield name, importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield name, "(not installed)"


def add_common_arguments(parser):
    """Add the options that every benchmark has."""
    parser.add_argument(
        "--repeats", type=int, default=3, help="fresh processes per timing (%(default)s)"
    )
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables here too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the medians here")
    parser.add_argument(
        "--keep-caches",
        action="store_true",
        help="let processes find what earlier ones compiled (otherwise each starts with none)",
    )


def write_report(arguments, text, medians):
    """Print the report, and write the files that the command line asks for."""
    print(text)
    for path, content in (
        (arguments.markdown, text + "\n"),
        (arguments.json, json.dumps(medians, indent=2) + "\n"),
    ):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")


def data_folder():
    """Return the folder of the data sets that do not ship with scikit-learn.

    ``SKDL_DATA`` names it; without that it is ``../shared/data`` from the project's root.
    """
    return Path(os.environ.get("SKDL_DATA") or ROOT.parent / "shared" / "data")
