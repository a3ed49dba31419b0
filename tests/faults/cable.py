"""A viewer whose cable is pulled, for `unshare --net pytest`: see test_servers.py.

Viewer and server are in network namespaces of their own. What connects them is a pair of devices, of which one is taken
down while the stream is open and idle.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from test_servers import Launch, connections, launch, open_streams, start, tell
from tests.support import eventually

__all__ = ["launch"]

HERE, THERE = "10.9.0.1", "10.9.0.2"

VIEWER = f"""
import subprocess, sys, urllib.request

def run(command):
    subprocess.run(command.split(), check=True)

print("ready", flush=True)
sys.stdin.readline()  # until the device is there
run("ip address add {THERE}/24 dev there")
run("ip link set there up")
stream = urllib.request.urlopen(sys.argv[1])
while not stream.readline().startswith(b"data: "):
    pass
run("ip link set there down")
print("vanished", flush=True)
sys.stdin.readline()  # until the end
"""


def run(command: str) -> None:
    subprocess.run(command.split(), check=True)


def test_an_idle_viewer_whose_packets_are_dropped_is_freed(launch: Launch, tmp_path: Path) -> None:
    run("ip link set lo up")
    server = launch(BACKEND_HOST="0.0.0.0", METRICS="true", SEND_TIMEOUT="2")
    job_id = start(server)
    tell(server, job_id, "one")
    url = f"http://{HERE}:{server.client.base_url.port}/api/log/{job_id}/stream"
    command = ["unshare", "--net", sys.executable, "-c", VIEWER, url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as viewer:
        assert viewer.stdin and viewer.stdout
        assert viewer.stdout.readline() == "ready\n"
        run(f"ip link add here type veth peer name there netns {viewer.pid}")
        run(f"ip address add {HERE}/24 dev here")
        run("ip link set here up")
        viewer.stdin.write("\n")
        viewer.stdin.flush()
        assert viewer.stdout.readline() == "vanished\n"
        assert open_streams(server) == 1
        held = connections(server)
        tell(server, job_id, "two")  # a heartbeat would do
        eventually(lambda: open_streams(server) == 0)
        eventually(lambda: connections(server) < held)
        viewer.kill()
