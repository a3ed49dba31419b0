"""A real nginx in front of a server, for tests.

    python nginx.py [-t] FOLDER SITE [OLD=NEW ...]

runs it with a file for its http block, in which each OLD is NEW; with -t it only says whether the file is right.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

MAIN = """
daemon off;
master_process off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  {site}
}}
"""

SITE = """
  {http}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://127.0.0.1:{backend};
      {location}
    }}
  }}
"""


def installed() -> str | None:
    """The nginx on the PATH, or in Debian's folder that only root has on its PATH."""
    return shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")


def find_nginx() -> str:
    """The program: NGINX, else the installed one, else, for root on Debian, one that is installed now."""
    named = os.environ.get("NGINX")
    if named:
        assert shutil.which(named), f"NGINX is {named!r}, and there is no such program"
        return named
    found = installed()
    if found is None and shutil.which("apt-get") and os.geteuid() == 0:
        for arguments in (["update", "-q"], ["install", "-y", "-q", "--no-install-recommends", "nginx-light"]):
            subprocess.run(["apt-get", *arguments], check=False, stdout=subprocess.DEVNULL)
        found = installed()
    assert found, "there is no nginx: install it (apt install nginx, brew install nginx), or set NGINX to where it is"
    return found


def command(folder: Path, site: str) -> list[str]:
    """The command that runs nginx; it writes its configuration.

    Args:
        folder: where it may write; created if missing.
        site: the directives of its http block, beside those that every nginx in a test needs.
    """
    folder.mkdir(exist_ok=True)
    config = folder / "nginx.conf"
    config.write_text(MAIN.format(folder=folder, site=site))
    return [find_nginx(), "-p", str(folder), "-c", str(config)]


@contextlib.contextmanager
def nginx(folder: Path, backend: int, http: str = "", location: str = "") -> Iterator[int]:
    """nginx in front of a port on this machine; gives its own port.

    Args:
        folder: where it may write.
        backend: the port.
        http, location: more directives.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    run = command(folder, SITE.format(port=port, backend=backend, http=http, location=location))
    errors = folder / "stderr.log"
    with errors.open("w") as out:
        process = subprocess.Popen(run, stderr=out)
    try:
        end = time.monotonic() + 20
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None and time.monotonic() < end, errors.read_text()
            time.sleep(0.02)
        yield port
    finally:
        process.terminate()
        process.wait(20)


def main(arguments: list[str]) -> int:
    """Becomes nginx; 1 when a file is not as expected."""
    options = [argument for argument in arguments if argument == "-t"]
    folder, site, *changes = [argument for argument in arguments if argument != "-t"]
    text = Path(site).read_text()
    for change in changes:
        old, _, new = change.partition("=")
        if text.count(old) != 1:
            print(f"nginx: {old!r} is {text.count(old)} times in {site}, not once", file=sys.stderr)
            return 1
        text = text.replace(old, new)
    run = command(Path(folder).resolve(), text)
    sys.stdout.flush()
    os.execv(run[0], [*run, *options])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
