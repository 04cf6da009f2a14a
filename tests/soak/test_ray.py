"""Two Ray nodes on this machine give the numbers of the local run, also when one of them is killed on the way."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from prefrl.bench.rows import WALL_CLOCK

pytest.importorskip("ray")

SUITE = Path(__file__).parents[1] / "data" / "tiny_suite.yaml"
PROGRAM = """
import os, sys, threading, time
from pathlib import Path

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
import ray
from ray.cluster_utils import Cluster
from prefrl.cli import main

suite, out, kill = sys.argv[1:]
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
second = cluster.add_node(num_cpus=1)
cluster.wait_for_nodes()
os.environ["RAY_ADDRESS"] = cluster.address
ray.init(address=cluster.address, log_to_driver=False)


def killer():
    while not list(Path(out, "cells").glob("[!.]*")):  # then both nodes are at work
        time.sleep(0.2)
    cluster.remove_node(second, allow_graceful=False)
    print("killed a node", flush=True)


if kill == "kill":
    threading.Thread(target=killer, daemon=True).start()
code = main(["bench", suite, "--executor", "ray", "--out", out, "--retries", "0"])
nodes = sum(node["Alive"] for node in ray.nodes())
print(f"code {code}, {nodes} nodes", flush=True)
os._exit(code)
"""


def numbers(folder: Path) -> list[dict[str, str]]:
    rows = list(csv.DictReader((folder / "results.csv").read_text(encoding="utf-8").splitlines()))
    return [{name: value for name, value in row.items() if name not in WALL_CLOCK} for row in rows]


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    out = tmp_path_factory.mktemp("local")
    subprocess.run([sys.executable, "-m", "prefrl", "bench", str(SUITE), "--out", str(out), "--jobs", "2"], check=True)
    return numbers(out)


@pytest.mark.parametrize("kill", ["", "kill"])
def test_two_nodes_give_the_numbers_of_the_local_run(local: list[dict[str, str]], tmp_path: Path, kill: str) -> None:
    command = [sys.executable, "-c", PROGRAM, str(SUITE), str(tmp_path / "out"), kill]
    environ = {**os.environ, "RAY_worker_niceness": "0"}  # as the local run has it
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environ)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ("killed a node" in done.stdout) == bool(kill)
    assert f"code 0, {1 if kill else 2} nodes" in done.stdout
    assert numbers(tmp_path / "out") == local
