"""Prints what an image is made of, as CycloneDX 1.6 has it: Debian's packages, Python, its packages, those of the page.

    python scripts/image_parts.py PAGE

PAGE: what `npm query '#frontend .prod'` said where the page was built. (`npm sbom --omit dev` leaves out what a package
for development needs too, such as React.) Runs inside the image, while it is built: see Dockerfile. It needs nothing
but Python, since nothing is installed for it.
"""

from __future__ import annotations

import json
import platform
import re
import site
import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from typing import Any
from urllib.parse import quote

DPKG = Path("/var/lib/dpkg/status")


def component(kind: str, name: str, version: str, qualifiers: str = "") -> dict[str, Any]:
    """One part. Its `purl` is what lists of vulnerabilities know it by (github.com/package-url/purl-spec)."""
    purl = f"pkg:{kind}/{quote(name)}@{quote(version, safe='')}{qualifiers}"
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def debian() -> Iterator[dict[str, Any]]:
    """The packages that dpkg has installed."""
    if not DPKG.exists():
        sys.exit(f"image_parts.py: no {DPKG}: take a base image of Debian or Ubuntu, or list another's packages here.")
    release = platform.freedesktop_os_release()
    distro = f"{release['ID']}-{release.get('VERSION_ID', '')}"
    for paragraph in DPKG.read_text(encoding="utf-8").split("\n\n"):
        field = dict(re.findall(r"^([\w-]+): (.*)$", paragraph, re.MULTILINE))
        if field.get("Status", "").endswith(" installed"):
            qualifiers = f"?arch={field['Architecture']}&distro={distro}"
            yield component(f"deb/{release['ID']}", field["Package"], field["Version"], qualifiers)


def python() -> Iterator[dict[str, Any]]:
    """Python itself, the packages that this Python finds, and those of the Python that its environment was made by."""
    yield component("generic", "python", platform.python_version())
    for each in distributions(path=[*sys.path, *site.getsitepackages([sys.base_prefix])]):
        yield component("pypi", re.sub(r"[-_.]+", "-", each.name).lower(), each.version)


def npm(page: Path) -> Iterator[dict[str, Any]]:
    """The packages that are bundled in the page."""
    for each in json.loads(page.read_text(encoding="utf-8")):
        yield component("npm", each["name"], each["version"])


def main(page: Path) -> None:
    """Prints the list, each part once, in the order of their names."""
    parts = {each["purl"]: each for each in (*debian(), *python(), *npm(page))}
    bom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "container", "name": "app", "bom-ref": "app"}},
        "components": [parts[purl] for purl in sorted(parts)],
    }
    print(json.dumps(bom, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
