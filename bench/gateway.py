#!/usr/bin/env python3
"""What the gateway costs: requests a second, added latency, streams; beside a direct call, a bare server, and LiteLLM.

    python bench/gateway.py [--seconds 2] [--rounds 3] [--concurrency 1,16,64] [--litellm PATH]

Wants the application's environment (DATABASE_URL and so on) and a migrated database to fill with ten thousands of calls
of projects `bench-…`. Read the ratios within one run: absolute figures depend on the machine and on who else uses it;
the gap between the gateway and its twin is the noise. Server processes share one core, load, provider and recorder the
other, where there are two. Streams sent back to back show work, paced ones (a piece each 5 ms, 32 at once) waiting. At
last the recorder is stopped while calls go on, and started again: how fast it takes what has piled up.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from itertools import count
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "curation.settings")
os.environ.setdefault("CURATION_PRIVATE_PROVIDERS", "127.0.0.0/8")  # the provider is on this machine

import uvloop  # noqa: E402
import wire  # noqa: E402

_CORES = sorted(os.sched_getaffinity(0))
_NUMBERS = count()
_WORDS = ["".join(random.choices("abcdefghiklmnoprstu", k=random.randint(3, 9))) for _ in range(5000)]
_PACE, _THINK, _PACED = 0.005, 0.02, 32  # seconds between pieces, between a client's streams; streams at once


async def bare(scope, receive, send) -> None:
    """The floor: an ASGI application that answers at once and keeps nothing."""
    if scope["type"] != "http":
        return
    body = b""
    while (message := await receive()).get("more_body"):
        body += message["body"]
    if b'"stream": true' in body + message.get("body", b""):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        for piece in wire.PIECES:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b""})
        return
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(wire.ANSWER)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": wire.ANSWER})


def request_maker(key: str, is_stream: bool):
    """Each request has a prompt of its own: a number and 35 words, about 250 bytes."""

    def make() -> bytes:
        prompt = f"{next(_NUMBERS)} {' '.join(random.choices(_WORDS, k=35))}"
        body = json.dumps(
            {"model": "m-1", "stream": is_stream, "messages": [{"role": "user", "content": prompt}]}
        ).encode()
        return (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        ).encode() + body

    return make


@contextlib.contextmanager
def process(*command: str, core: int, **env: str) -> Iterator[subprocess.Popen]:
    def pin() -> None:
        os.sched_setaffinity(0, {_CORES[core % len(_CORES)]})

    child = subprocess.Popen(command, cwd=ROOT, env=os.environ | env, preexec_fn=pin, stdout=subprocess.DEVNULL)
    try:
        yield child
    finally:
        child.terminate()
        child.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port: int) -> None:
    for _ in range(1800):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit("a server did not start")


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def make_project(provider_url: str) -> tuple[int, str]:
    import django

    django.setup()
    from curation.models import ApiKey
    from curation.projects import create_project

    project = create_project(
        f"bench-{time.time_ns()}", provider_url=provider_url, provider_key="none", base_model="m-1"
    )
    return project.pk, ApiKey.issue(project, "bench")[1]


def stored(project_id: int) -> int:
    from curation.models import LoggedCall

    return LoggedCall.objects.filter(project_id=project_id, outcome="completed").count()


def milliseconds(values: list[float], share: float) -> float:
    return sorted(values)[min(int(len(values) * share), len(values) - 1)] * 1000 if values else float("nan")


def uvicorn(app: str, port: int) -> list[str]:
    command = [sys.executable, "-m", "uvicorn", app, "--port", str(port), "--no-access-log", "--log-level", "warning"]
    return [*command, "--app-dir", str(ROOT / "bench")]


class Figures:
    """All rounds of one target at one concurrency."""

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.p50: list[float] = []
        self.p99: list[float] = []
        self.first: list[float] = []
        self.cpu: list[float] = []
        self.failures = self.answered = 0

    def add(self, load: wire.Load, cpu: float) -> None:
        answered = len(load.latencies)
        self.answered += answered
        self.failures += load.failures
        self.rates.append(answered / load.seconds)
        self.p50.append(milliseconds(load.latencies, 0.5))
        self.p99.append(milliseconds(load.latencies, 0.99))
        self.first.append(milliseconds(load.first_bytes, 0.5))
        self.cpu.append(cpu / max(answered, 1) * 1e6)

    def line(self, name: str, direct: "Figures") -> str:
        middle = statistics.median
        spread = f"{min(self.rates):.0f}-{max(self.rates):.0f}"
        return (
            f"{name:12} {middle(self.rates):8.0f} ({spread:>12}) {middle(self.p50):8.2f} {middle(self.p99):8.2f}"
            f" {middle(self.p50) - middle(direct.p50):+8.2f} {middle(self.first) - middle(direct.first):+8.2f}"
            f" {middle(self.cpu):8.0f} {self.failures:6}"
        )


async def compare(
    targets: dict[str, tuple[int, int]], make_request, concurrency: int, options, think: float = 0
) -> dict[str, Figures]:
    """Interleaved rounds: A B C, A B C, so that a busy neighbour meets all of them."""
    figures = {name: Figures() for name in targets}
    for _ in range(options.rounds):
        for name, (port, pid) in targets.items():
            before = cpu_seconds(pid)
            load = await wire.put_load(
                port, make_request, concurrency=concurrency, seconds=options.seconds, think=think
            )
            figures[name].add(load, cpu_seconds(pid) - before)
    return figures


def show(title: str, figures: dict[str, Figures]) -> None:
    print(f"\n{title}")
    columns = "".join(f"{name:>9}" for name in ("p50 ms", "p99 ms", "+p50", "+first", "CPU µs"))
    print(f"{'':12} {'per s':>8} {'(min-max)':>14}{columns} {'bad':>6}")
    for name, figure in figures.items():
        print(figure.line(name, figures["direct"]))


def main() -> None:
    options = parse_options()
    os.sched_setaffinity(0, {_CORES[-1]})
    home = options.home or tempfile.mkdtemp(prefix="curation-bench-")
    versions = ", ".join(f"{name} {version(name)}" for name in ("uvicorn", "uvloop", "httptools", "psycopg"))
    sync = os.environ.get("CURATION_SPOOL_SYNC_MS", "default")
    print(f"load average {os.getloadavg()[0]:.1f}, cores {_CORES}, Python {sys.version.split()[0]}, {versions}")
    print(f"{options.rounds} rounds of {options.seconds} s, spool in {home}, sync {sync}")
    provider, paced, floor, gateway, peer = (free_port() for _ in range(5))
    project_id, key = make_project(f"http://127.0.0.1:{provider}/v1")
    _, paced_key = make_project(f"http://127.0.0.1:{paced}/v1")
    with contextlib.ExitStack() as stack:
        start = lambda *command, core, **env: stack.enter_context(process(*command, core=core, **env)).pid  # noqa: E731
        direct = (provider, start(sys.executable, "bench/wire.py", str(provider), "0", core=-1))
        slow = (paced, start(sys.executable, "bench/wire.py", str(paced), str(_PACE), core=-1))
        bare_server = (floor, start(*uvicorn("gateway:bare", floor), core=0))
        ours = (gateway, start(*uvicorn("curation.asgi:application", gateway), core=0, CURATION_HOME=home))
        targets = {"direct": direct, "bare server": bare_server, "gateway": ours, "gateway twin": ours}
        if options.litellm:
            command = litellm(options.litellm, peer, provider)
            env = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MASTER_KEY": key}  # the load's: both check one
            targets["litellm"] = (peer, start(*command, core=0, **env))
        for port, _ in (*targets.values(), slow):
            wait_for(port)
        with recorder(home):
            answered = measure(targets, key, options)
            waited = drain(project_id, answered)
            stored_count = stored(project_id)
            paced_targets = {"direct": slow, "gateway": ours, "gateway twin": ours}
            figures = uvloop.run(compare(paced_targets, request_maker(paced_key, True), _PACED, options, _THINK))
            show(f"paced streams, {_PACED} at once", figures)
        print(f"\n{answered} answered, {stored_count} stored; the last was in the table {waited:.1f} s after the load")
        measure_recorder(project_id, ours, key, home)


def measure(targets: dict[str, tuple[int, int]], key: str, options: argparse.Namespace) -> int:
    """Whole answers and streams; returns how many the gateway gave."""
    answered = 0
    for concurrency, is_stream in [*((c, False) for c in options.concurrency), (16, True)]:
        figures = uvloop.run(compare(targets, request_maker(key, is_stream), concurrency, options))
        what = f"streams of {wire.CHUNKS} pieces" if is_stream else "whole answers"
        show(f"{what}, {concurrency} at once", figures)
        answered += figures["gateway"].answered + figures["gateway twin"].answered
    return answered


def measure_recorder(project_id: int, gateway: tuple[int, int], key: str, home: str) -> None:
    """Calls pile up without a recorder, and the gateway has its core to itself; then one takes them all. Its start is
    not counted.
    """
    before = stored(project_id)
    port, pid = gateway
    spent = cpu_seconds(pid)
    load = uvloop.run(wire.put_load(port, request_maker(key, False), concurrency=16, seconds=8))
    alone = Figures()
    alone.add(load, cpu_seconds(pid) - spent)
    print(
        f"without a recorder beside it, 16 at once: {alone.rates[0]:.0f} calls a second into the spool,"
        f" p50 {alone.p50[0]:.2f} ms, {alone.cpu[0]:.0f} µs of CPU each"
    )
    wanted = before + len(load.latencies)
    with recorder(home) as taking:
        while (first := stored(project_id)) == before:
            time.sleep(0.02)
        started, cpu = time.monotonic(), cpu_seconds(taking.pid)
        drain(project_id, wanted)
        seconds, cpu = time.monotonic() - started, cpu_seconds(taking.pid) - cpu
    count = wanted - first
    print(
        f"recorder: {count} calls in {seconds:.1f} s, {count / seconds:.0f} a second,"
        f" {cpu / max(count, 1) * 1e6:.0f} µs of its CPU each; {stored(project_id) - wanted} too many or too few"
    )


def recorder(home: str) -> contextlib.AbstractContextManager[subprocess.Popen]:
    return process(sys.executable, "manage.py", "recorder", core=-1, CURATION_HOME=home)


def litellm(path: str, port: int, provider: int) -> list[str]:
    """The command of LiteLLM's proxy, one worker, nothing stored, for the same provider."""
    parameters = {"model": "openai/m-1", "api_base": f"http://127.0.0.1:{provider}/v1", "api_key": "none"}
    config = Path(tempfile.mkdtemp(prefix="curation-bench-"), "litellm.yaml")
    config.write_text(json.dumps({"model_list": [{"model_name": "m-1", "litellm_params": parameters}]}))
    alone = ["env", "-u", "DATABASE_URL", "-u", "REDIS_URL"]  # or it takes them for its own
    return [*alone, path, "--config", str(config), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]


def drain(project_id: int, answered: int) -> float:
    started = time.monotonic()
    while stored(project_id) < answered and time.monotonic() - started < 120:
        time.sleep(0.1)
    return time.monotonic() - started


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--concurrency", type=lambda text: [int(word) for word in text.split(",")], default=[1, 16, 64])
    parser.add_argument("--litellm", metavar="PATH", help="the command of an installed LiteLLM, to stand beside")
    parser.add_argument("--home", help="folder for the spool; a temporary one otherwise")
    return parser.parse_args()


if __name__ == "__main__":
    main()
