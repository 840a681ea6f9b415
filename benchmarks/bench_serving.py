"""How many requests a second does a server answer, and how long does each take?

    python benchmarks/bench_serving.py [--requests 10000] [--clients 8] [--markdown FILE]

Needs penguins.csv in ``../shared/data`` or in the folder that ``SKDL_DATA`` names. The pipeline of
bench_export.py is exported and served by ``python -m skdl.serving`` on this machine, one worker.
Clients keep their connections and wait for each answer before they send the next request, so the
load is bounded; they share the machine with the server. CPU time of the server is the number that
other work on the machine disturbs least. A run fails if any request does, or if the memory of our
server grows by more than 5 % after the first tenth of the requests.

MLServer and BentoML, each in an environment of its own (``pip install mlserver onnxruntime``,
``pip install bentoml onnxruntime``), serve the same file if ``--mlserver`` and ``--bentoml`` name
the Python of that environment: MLServer by the same protocol, BentoML with rows as records.
"""

import argparse
import concurrent.futures
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from _harness import (
    ROOT,
    format_seconds,
    machine_description,
    markdown_table,
    run_as_child,
    run_in_fresh_process,
    write_report,
)

# A runtime for MLServer, which has none for ONNX: what its documentation says a user has to write.
MLSERVER_RUNTIME = """
import numpy as np
import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceResponse


class Onnx(MLModel):
    async def load(self):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(self.settings.parameters.uri, options)
        return True

    async def predict(self, payload):
        rows = {}
        for tensor in payload.inputs:
            is_text = tensor.datatype == "BYTES"
            gap, dtype = ("", object) if is_text else (np.nan, np.float64)
            cells = [gap if cell is None else cell for cell in tensor.data]
            rows[tensor.name] = np.array(cells, dtype).reshape(tensor.shape)
        label, probabilities = self.session.run(["label", "probabilities"], rows)
        outputs = [
            StringCodec.encode_output("label", label.tolist()),
            NumpyCodec.encode_output("probabilities", probabilities),
        ]
        return InferenceResponse(model_name=self.name, outputs=outputs)
"""
# What its documentation says a user of BentoML has to write.
BENTOML_SERVICE = """
import os

import bentoml
import numpy as np
import onnxruntime


@bentoml.service(workers=1)
class Penguins:
    def __init__(self):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["MODEL"], options)
        self.columns = {
            own.name: (object, "") if "string" in own.type else (np.float64, np.nan)
            for own in self.session.get_inputs()
        }

    @bentoml.api
    def predict(self, rows: list[dict]) -> dict:
        inputs = {}
        for name, (dtype, gap) in self.columns.items():
            cells = [gap if row[name] is None else row[name] for row in rows]
            inputs[name] = np.array(cells, dtype).reshape(-1, 1)
        label, probabilities = self.session.run(["label", "probabilities"], inputs)
        return {"label": label.tolist(), "probabilities": probabilities.tolist()}
"""
VERSIONS_OF = ("skdl", "fastapi", "uvicorn", "onnxruntime", "numpy")
HOST = "127.0.0.1"
OURS = "skdl"
# What a server is asked for until it answers, and what kind of request it takes.
SERVERS = {
    OURS: ("/v2/models/penguins/ready", "records", "tensors"),
    "MLServer": ("/v2/models/penguins/ready", "tensors"),
    "BentoML": ("/readyz", "records"),
}
WAYS = {
    "records 1": "records, 1 row",
    "records 100": "records, 100 rows",
    "tensors 1": "Open Inference Protocol, 1 row",
    "tensors 100": "Open Inference Protocol, 100 rows",
}
MOST_GROWTH = 0.05


def prepare(folder):
    """Fit and export the pipeline; return rows as JSON has them."""
    from bench_export import encoded, rows

    import skdl
    from skdl.export import to_onnx

    X, y = rows()
    network = skdl.MLPClassifier(64, batch_norm="before_activation", epochs=20, random_state=0)
    report = to_onnx(encoded(network, X).fit(X, y), X, Path(folder) / "penguins.onnx")
    frame = X[list(report.inputs)]
    return {"rows": json.loads(frame.head(100).to_json(orient="records"))}


def body_of(way, rows):
    """Return the path and the body of one request."""
    kind, n_rows = way.split()
    rows = rows[: int(n_rows)]
    if kind == "records":
        return "/predict", json.dumps({"rows": rows})
    inputs = []
    for name in rows[0]:
        cells = [row[name] for row in rows]
        is_text = any(isinstance(cell, str) for cell in cells)
        inputs.append(
            {
                "name": name,
                "shape": [len(cells), 1],
                "datatype": "BYTES" if is_text else "FP64",
                "data": cells,
            }
        )
    return "/v2/models/penguins/infer", json.dumps({"inputs": inputs})


def free_ports(n_ports):
    """Return ports that nobody listens on."""
    listeners = [socket.create_server((HOST, 0)) for _ in range(n_ports)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def mlserver_command(python, model, ports):
    """Write what MLServer needs beside the model, and return the command that starts it."""
    folder = Path(model).parent
    settings = {
        "host": HOST, "parallel_workers": 0, "debug": False,
        "http_port": ports[0], "grpc_port": ports[1], "metrics_port": ports[2],
    }  # fmt: skip
    own = {
        "name": "penguins", "implementation": "runtime.Onnx", "parameters": {"uri": str(model)},
    }  # fmt: skip
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "model-settings.json").write_text(json.dumps(own))
    (folder / "runtime.py").write_text(MLSERVER_RUNTIME)
    return [str(Path(python).with_name("mlserver")), "start", "."]


def bentoml_command(python, model, ports):
    """Write the service that BentoML needs, and return the command that starts it."""
    (Path(model).parent / "service.py").write_text(BENTOML_SERVICE)
    serve = ["serve", "service:Penguins", "--host", HOST, "--port", str(ports[0])]
    return [str(Path(python).with_name("bentoml")), *serve]


def started(model, server, python):
    """Start a server, wait until it is ready, and return its process and its port."""
    ports = free_ports(3)
    port = ports[0]
    command = [sys.executable, "-m", "skdl.serving", model, "--port", str(port)]
    if server != OURS:
        command_of = {"MLServer": mlserver_command, "BentoML": bentoml_command}[server]
        command = command_of(python, model, ports)
    # The root is on the path of our processes alone: a peer's Python has packages of its own.
    own = {"PYTHONPATH": str(ROOT) if server == OURS else "", "MODEL": model}
    process = subprocess.Popen(
        command,
        cwd=ROOT if server == OURS else Path(model).parent,
        env=os.environ | own | {"BENTOML_DO_NOT_TRACK": "True"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for _ in range(600):
        try:
            ask(http.client.HTTPConnection(HOST, port, timeout=5), SERVERS[server][0], None)
        except (OSError, RuntimeError):
            time.sleep(0.1)
        else:
            return process, port
    process.kill()
    msg = f"{server} did not start within 60 seconds"
    raise RuntimeError(msg)


def ask(connection, path, body):
    """Send one request and read its answer; anything but 200 is an error."""
    headers = {"Content-Type": "application/json"} if body else {}
    connection.request("POST" if body else "GET", path, body, headers)
    response = connection.getresponse()
    content = response.read()
    if response.status != 200:
        msg = f"{path} answered {response.status}: {content[:300]}"
        raise RuntimeError(msg)


def one_client(port, path, body, n_requests):
    """Return the seconds of each request of one client."""
    connection = http.client.HTTPConnection(HOST, port, timeout=60)
    seconds = []
    for _ in range(n_requests):
        begun = time.perf_counter()
        ask(connection, path, body)
        seconds.append(time.perf_counter() - begun)
    connection.close()
    return seconds


def loaded(port, way, rows, n_requests, n_clients):
    """Return the seconds of all requests of all clients, and of the whole."""
    path, body = body_of(way, rows)
    begun = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(n_clients) as pool:
        share = n_requests // n_clients
        futures = [pool.submit(one_client, port, path, body, share) for _ in range(n_clients)]
        seconds = sorted(second for future in futures for second in future.result())
    return seconds, time.perf_counter() - begun


def usage(process):
    """Return the memory of a server and its processes, in bytes, and their CPU time."""
    server = psutil.Process(process.pid)
    family = [server, *server.children(recursive=True)]
    memory = sum(own.memory_info().rss for own in family)
    return memory, sum(sum(own.cpu_times()[:2]) for own in family)


def measured(model, way, rows, n_requests, n_clients, server=OURS, python=sys.executable):
    """Serve in a fresh process, and return what a table says of one way to ask."""
    process, port = started(model, server, python)
    try:
        loaded(port, way, rows, n_requests // 10, n_clients)
        memory, cpu = usage(process)
        seconds, wall = loaded(port, way, rows, n_requests, n_clients)
        memory_after, cpu_after = usage(process)
    finally:
        process.terminate()
        process.wait(60)
    grown, cpu = memory_after - memory, cpu_after - cpu
    if server == OURS and grown > MOST_GROWTH * memory:
        msg = f"{way}: the server grew by {grown} bytes, from {memory}"
        raise RuntimeError(msg)
    return {
        "n_requests": len(seconds),
        "requests_per_second": len(seconds) / wall,
        "p50": statistics.median(seconds),
        "p99": seconds[len(seconds) * 99 // 100],
        "cpu": cpu / len(seconds),
        "memory": memory,
        "grown": grown,
    }


def report(results, n_clients):
    """Return the table as Markdown."""
    lines = [
        [
            way,
            f"{own['n_requests']:,}",
            f"{own['requests_per_second']:,.0f}",
            format_seconds(own["p50"]),
            format_seconds(own["p99"]),
            format_seconds(own["cpu"]),
            f"{own['memory'] / 2**20:.0f} MB",
            f"{own['grown'] / 2**20:+.1f} MB",
        ]
        for way, own in results.items()
    ]
    headers = [
        "request", "requests", "a second", "p50", "p99", "CPU time of the server, each",
        "memory", "growth",
    ]  # fmt: skip
    return (
        "## Serving an exported file\n\n"
        f"Penguins, one worker, {n_clients} clients on the same machine.\n\n"
        f"{markdown_table(headers, lines)}\n\n"
        f"{machine_description(VERSIONS_OF)}"
    )


def main():
    """Measure and report."""
    run_as_child({"prepare": prepare})
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--requests", type=int, default=10_000, help="in each row of the table")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--mlserver", metavar="PYTHON", help="of an environment with MLServer")
    parser.add_argument("--bentoml", metavar="PYTHON", help="of an environment with BentoML")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table here too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here")
    arguments = parser.parse_args()
    peers = {"MLServer": arguments.mlserver, "BentoML": arguments.bentoml}
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        rows = run_in_fresh_process(__file__, task="prepare", folder=folder)["rows"]
        model = str(Path(folder) / "penguins.onnx")
        for way, label in WAYS.items():
            print(f"  {label} …", file=sys.stderr, flush=True)
            options = (rows, arguments.requests, arguments.clients)
            results[label] = measured(model, way, *options)
            for server, python in peers.items():
                if python and way.split()[0] in SERVERS[server]:
                    results[f"{server}: {label}"] = measured(model, way, *options, server, python)
    write_report(arguments, report(results, arguments.clients), results)


if __name__ == "__main__":
    main()
