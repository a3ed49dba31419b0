"""The image of a container: what may go into it, and, built and run, what is in it and that it works."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

import pytest
from bake import REPOSITORY, TEMPLATE, bake

CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
NPM = Path("/usr/lib/node_modules/npm")


def purls(sbom: str) -> set[str]:
    """What a CycloneDX list names."""
    return {str(each["purl"]) for each in json.loads(sbom)["components"]}


def debian(listed: str, distro: str) -> set[str]:
    """The same of Debian's packages, from what `dpkg-query` prints; `distro` is as in `debian-12`."""
    names = set()
    for line in listed.splitlines():
        status, name, version, arch = line.split("\t")
        if status == "installed":
            name, version = name.replace("+", "%2B"), version.replace("+", "%2B").replace(":", "%3A")
            names.add(f"pkg:deb/{distro.split('-')[0]}/{name}@{version}?arch={arch}&distro={distro}")
    return names


def of(kind: str, found: set[str]) -> set[str]:
    """Those of them that are of a kind."""
    return {each for each in found if each.startswith(f"pkg:{kind}/")}


INSTALLED = """
import importlib.metadata, re
for each in importlib.metadata.distributions():
    print(re.sub("[-_.]+", "-", each.name).lower() + "@" + each.version)
"""
DPKG_QUERY = ["dpkg-query", "-W", "-f", r"${db:Status-Status}\t${Package}\t${Version}\t${Architecture}\n"]


def test_nothing_goes_into_the_image_but_what_is_named() -> None:
    lines = (REPOSITORY / TEMPLATE / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if not line.startswith("#")]
    assert rules[0] == "*"
    assert {"**/tests", "**/node_modules"} <= set(rules)
    for rule in rules:
        assert not rule.startswith(("!.env", "!data", "!scripts/a", "!e2e/tests")), rule


@pytest.mark.skipif(not shutil.which("dpkg-query"), reason="needs a machine with Debian's packages")
def test_all_that_is_installed_is_on_the_list(tmp_path: Path) -> None:
    page = tmp_path / "page.json"
    page.write_text('[{"name": "react", "version": "19.0.0"}, {"name": "@a/b", "version": "1.0.0-rc.1"}]')
    script = REPOSITORY / TEMPLATE / "scripts" / "image_parts.py"
    result = subprocess.run([sys.executable, str(script), str(page)], capture_output=True, text=True, check=True)
    found = purls(result.stdout)
    listed = subprocess.run(DPKG_QUERY, capture_output=True, text=True, check=True).stdout
    release = platform.freedesktop_os_release()
    assert of("deb", found) == debian(listed, f"{release['ID']}-{release['VERSION_ID']}")
    assert of("npm", found) == {"pkg:npm/react@19.0.0", "pkg:npm/%40a/b@1.0.0-rc.1"}
    assert f"pkg:pypi/pytest@{pytest.__version__}" in found


@dataclass
class Containers:
    """A program that builds and runs images, and what it must be told here."""

    program: str
    build: list[str] = field(default_factory=list)

    def make(self, project: Path, image: str) -> str:
        """Builds the image by `make image`; gives the list of what is in it."""
        command = [
            "make",
            "image",
            f"CONTAINERS={self.program}",
            f"IMAGE={image}",
            f"IMAGE_ARGS={' '.join(self.build)}",
        ]
        if self.program == "buildah":
            command.append(f"IMAGE_RUN=buildah run --isolation=chroot $$(buildah from --name={image}-run {image})")
        result = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=1_200)
        assert result.returncode == 0, result.stdout[-4_000:] + result.stderr[-4_000:]
        return (project / "sbom" / "image.cdx.json").read_text(encoding="utf-8")

    def run(self, image: str, **environment: str) -> list[str]:
        """The beginning of a command that runs another in the image."""
        options = [f"--env={name}={value}" for name, value in environment.items()]
        if self.program != "buildah":
            return [self.program, "run", "--rm", "--init", "--network=host", *options, image]
        return ["buildah", "run", "--isolation=chroot", *options, f"{image}-run"]


def buildah(*arguments: str) -> str:
    """What buildah prints."""
    result = subprocess.run(["buildah", *arguments], capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def has_registry(program: str) -> bool:
    """Whether the images that the Dockerfile is built on can be had."""
    dockerfile = (REPOSITORY / TEMPLATE / "Dockerfile").read_text(encoding="utf-8")
    (image,) = re.findall(r"^ARG PYTHON_IMAGE=(.+)$", dockerfile, re.MULTILINE)
    try:
        command = [program, "pull", image]
        return subprocess.run(command, capture_output=True, timeout=300).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def made_on_the_spot(folder: Path) -> Containers:
    """Buildah, and images to build on, of Debian's packages and this machine's Node: no registry is asked."""
    root = folder / "root"
    names = "python3,python3-venv,ca-certificates,libstdc++6"
    subprocess.run(
        ["debootstrap", "--variant=minbase", f"--include={names}", "bookworm", str(root)],
        check=True,
        capture_output=True,
    )
    # Whom this machine trusts: there may be a proxy between it and the packages.
    shutil.copy(CERTIFICATES, root / CERTIFICATES.relative_to("/"))
    (root / "etc" / "pip.conf").write_text(f"[global]\ncert = {CERTIFICATES}\n")
    # As others have pip there: a package of the Python below the environment.
    below = root / "usr" / "lib" / "python3" / "dist-packages" / "below-1.0.dist-info"
    below.mkdir(parents=True)
    (below / "METADATA").write_text("Metadata-Version: 2.1\nName: below\nVersion: 1.0\n")
    arguments = []
    made = buildah("from", "scratch")
    buildah("add", made, str(root), "/")
    buildah("config", "--env", f"NODE_EXTRA_CA_CERTS={CERTIFICATES}", made)
    buildah("commit", made, "localhost/test-python")
    arguments.append("PYTHON_IMAGE=localhost/test-python")
    buildah("add", made, shutil.which("node") or "", "/usr/bin/node")
    buildah("add", made, str(NPM), str(NPM))
    buildah("run", "--isolation=chroot", made, "ln", "-s", str(NPM / "bin" / "npm-cli.js"), "/usr/bin/npm")
    buildah("commit", made, "localhost/test-node")
    arguments.append("NODE_IMAGE=localhost/test-node")
    buildah("rm", made)
    build = ["--format=docker", "--isolation=chroot", *(f"--build-arg={each}" for each in arguments)]
    return Containers("buildah", build)


@pytest.fixture
def containers(tmp_path: Path) -> Iterator[Containers]:
    """Docker or podman with their registry; or else buildah with images made on the spot."""
    for program in ("docker", "podman"):
        if shutil.which(program) and has_registry(program):
            yield Containers(program)
            subprocess.run([program, "rmi", "--force", "streamator-test"], capture_output=True, check=False)
            return
    if os.geteuid() or not all(shutil.which(each) for each in ("buildah", "debootstrap")) or not NPM.exists():
        pytest.skip("not tried: no image can be built here (docker, podman, or buildah and debootstrap as root)")
    yield made_on_the_spot(tmp_path)
    subprocess.run(["buildah", "rm", "streamator-test-run"], capture_output=True, check=False)
    for image in ("streamator-test", "test-node", "test-python"):
        subprocess.run(["buildah", "rmi", "--force", f"localhost/{image}"], capture_output=True, check=False)


def python_below(pid: int) -> int:
    """The first process below one that is Python itself: buildah and its helper pass no signal on."""
    below = [pid]
    for each in below:
        if Path(f"/proc/{each}/cmdline").read_bytes().split(b"\0")[0].endswith(b"/python"):
            return each
        for thread in Path(f"/proc/{each}/task").iterdir():
            below += map(int, (thread / "children").read_text().split())
    return pid


@pytest.mark.long
def test_the_image_serves_the_page_as_nobody_and_lists_what_is_in_it(
    template: Path, tmp_path: Path, containers: Containers
) -> None:
    project = bake(template, tmp_path)
    (project / ".env").write_text("AUTH_SECRET=a-secret-that-is-for-nobody-else-to-see\n")
    found = purls(containers.make(project, "streamator-test"))
    run = containers.run("streamator-test")

    def output(*command: str) -> str:
        return subprocess.run([*run, *command], capture_output=True, text=True, check=True, timeout=60).stdout

    distro = output("sh", "-c", '. /etc/os-release; echo "$ID-$VERSION_ID"').strip()
    assert of("deb", found) == debian(output(*DPKG_QUERY), distro)
    base = output("python", "-c", "import sys; print(sys.base_prefix)").strip()
    installed = {*output("python", "-c", INSTALLED).split(), *output(f"{base}/bin/python3", "-c", INSTALLED).split()}
    assert of("pypi", found) == {f"pkg:pypi/{each}" for each in installed}
    lock = json.loads((project / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    for name in ("react", "react-dom", "markdown-to-jsx"):
        assert f"pkg:npm/{name}@{lock[f'node_modules/{name}']['version']}" in found
    assert not any("vite" in each or "pytest" in each for each in found)
    assert "no module" in subprocess.run([*run, "python", "-m", "pip"], capture_output=True, text=True).stderr.lower()
    assert output("find", "/project", "/data", "-name", ".env*") == ""
    assert output("id", "-u").strip() == "10001"
    assert subprocess.run([*run, "touch", "/project/x"], capture_output=True).returncode

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [*containers.run("streamator-test", BACKEND_PORT=str(port)), "python", "-m", "app"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        try:
            deadline = time.monotonic() + 60
            while True:
                try:
                    with urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
                        assert json.load(answer)["status"] == "ok"
                    break
                except OSError:
                    assert server.poll() is None, server.stdout.read() if server.stdout else ""
                    assert time.monotonic() < deadline, "no answer within 60 s"
                    time.sleep(0.2)
            with urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                assert b"<script" in answer.read()
        finally:
            os.kill(python_below(server.pid), signal.SIGTERM)
            said, _ = server.communicate(timeout=30)
    assert "Finished server process" in said
