"""Finds the browser that the end-to-end tests drive, and says which one it took and why.

    python scripts/browser.py                       # prints the path of a Chromium
    python scripts/browser.py [--video] -- COMMAND  # runs COMMAND with CHROMIUM_PATH set to it
    python scripts/browser.py --engine firefox ...  # another engine: firefox (FIREFOX_PATH) or webkit (WEBKIT_PATH)

In this order: CHROMIUM_PATH (an error if nothing is there), the browser that Playwright downloaded earlier, a
Chromium or Chrome of the system, `playwright install chromium`, and, for root on a system with apt-get,
Debian's or Ubuntu's own package with an emoji font. When all fail it is an error with exit code 1: nothing is
skipped. Of the other engines it is the one that is shipped, and not Playwright's own build.

With --video, COMMAND also gets E2E_VIDEO: "1" where a video can be recorded, else "0". Playwright records
with a program of its own, which comes with its own browser; where only the system's ffmpeg is there, a folder
with a link to it stands in (PLAYWRIGHT_BROWSERS_PATH).

Only the standard library is used.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
LINKS = ROOT / "e2e" / ".browsers"  # holds the link to the system's ffmpeg; ignored by git
DOWNLOAD_TIMEOUT_S = 300
FONT = "fonts-noto-color-emoji"
OPTIONS = ("-y", "-qq", "--no-install-recommends")
# The first is what Playwright downloads by itself: a Chromium without windows, for a quarter less of the processor.
HEADLESS = "chromium-headless-shell"


class Engine(NamedTuple):
    """What is looked for: its program's names, the best first, and the packages of Debian and Ubuntu that have it."""

    name: str
    title: str
    programs: tuple[str, ...]
    packages: tuple[str, ...]
    apps: tuple[str, ...] = ()  # on macOS
    beside: str | None = None  # a program without which it is of no use

    @property
    def variable(self) -> str:
        return f"{self.name.upper()}_PATH"


CHROMIUM = Engine(
    "chromium",
    "Chromium or Chrome",
    (HEADLESS, "chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome"),
    ("chromium",),
    ("Google Chrome.app/Contents/MacOS/Google Chrome", "Chromium.app/Contents/MacOS/Chromium"),
)
FIREFOX = Engine(
    "firefox", "Firefox", ("firefox-esr", "firefox"), ("firefox-esr",), ("Firefox.app/Contents/MacOS/firefox",)
)
# It has windows, so it needs a screen.
WEBKIT = Engine(
    "webkit", "WebKitWebDriver with Xvfb", ("WebKitWebDriver",), ("webkit2gtk-driver", "xvfb"), beside="Xvfb"
)
ENGINES = {engine.name: engine for engine in (CHROMIUM, FIREFOX, WEBKIT)}


class NoBrowser(Exception):
    """There is no browser; the message says what was tried and how to get one."""


def say(text: str) -> None:
    """Tells the user what is going on, aside from the result on stdout."""
    print(f"browser: {text}", file=sys.stderr, flush=True)


def from_environment(engine: Engine) -> Path | None:
    """Gives the browser that the engine's variable names. Raises NoBrowser if there is none at that path."""
    value = os.environ.get(engine.variable)
    if not value:
        return None
    path = Path(value)
    if not (path.is_file() and os.access(path, os.X_OK)):
        raise NoBrowser(
            f"{engine.variable} is {value!r}, where there is no program. Correct it, or unset it to search."
        )
    return path


def from_playwright(engine: Engine) -> Path | None:
    """Gives the browser that Playwright has on disk, if any."""
    script = f"process.stdout.write(require('playwright-core').{engine.name}.executablePath() || '')"
    node = shutil.which("node")
    if node is None or not (ROOT / "node_modules" / "playwright-core").is_dir():
        return None
    answer = subprocess.run([node, "-e", script], cwd=ROOT, capture_output=True, text=True, check=False)
    path = Path(answer.stdout.strip() or os.devnull)
    return path if path.is_file() else None


def from_system(engine: Engine) -> Path | None:
    """Gives one that is installed on this machine, if any."""
    if engine.beside is not None and shutil.which(engine.beside) is None:
        return None
    for name in engine.programs:
        found = shutil.which(name)
        if found:
            return Path(found)
    for base in (Path("/Applications"), Path.home() / "Applications"):
        for app in engine.apps:
            if (base / app).is_file():
                return base / app
    return None


def by_download(engine: Engine) -> Path | None:
    """Lets Playwright download its own browser. None when it fails, at once where nothing gets out."""
    cli = ROOT / "node_modules" / "playwright" / "cli.js"
    node = shutil.which("node")
    if node is None or not cli.is_file():
        return None
    say(f"none on this machine; trying `playwright install {engine.name}`")
    try:
        subprocess.run(
            [node, str(cli), "install", engine.name],
            cwd=ROOT,
            stdout=sys.stderr,
            timeout=DOWNLOAD_TIMEOUT_S,
            check=True,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        say(f"the download failed ({error.__class__.__name__})")
        return None
    return from_playwright(engine)


def by_apt(engine: Engine) -> Path | None:
    """Installs the distribution's own. Only for root with apt-get; None elsewhere or when it fails."""
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        return None
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    say(f"installing {engine.title} and an emoji font with apt-get")
    packages = (HEADLESS, *engine.packages) if engine is CHROMIUM else engine.packages
    for arguments in (["update", "-qq"], *(["install", *OPTIONS, name] for name in (*packages, FONT))):
        if arguments[-1] in engine.packages and from_system(engine) is not None:
            continue  # Ubuntu has no package of the first one
        done = subprocess.run([apt, *arguments], env=environment, stdout=sys.stderr, check=False)
        if done.returncode != 0:
            say(f"apt-get {' '.join(arguments)} ended with {done.returncode}")
    return from_system(engine)


def find(engine: Engine) -> Path:
    """Gives the browser to use, and says on stderr which and why. Raises NoBrowser."""
    for reason, search in (
        (f"{engine.variable} names it", from_environment),
        ("Playwright's own, already on disk", from_playwright),
        ("installed on this system", from_system),
        ("just downloaded by Playwright", by_download),
        ("just installed with apt-get", by_apt),
    ):
        if engine is not CHROMIUM and search in (from_playwright, by_download):
            continue  # a build of Playwright's own
        path = search(engine)
        if path is not None:
            say(f"using {path} ({reason})")
            return path
    raise NoBrowser(
        f"no {engine.title} on this machine, and none could be installed. Install one (Debian, Ubuntu: "
        f"`apt install {' '.join(engine.packages)}`), or set {engine.variable} to the program."
    )


def recorder() -> dict[str, str]:
    """Gives the variables with which Playwright can record a video; E2E_VIDEO is "0" when it cannot."""
    manifest = ROOT / "node_modules" / "playwright-core" / "browsers.json"
    if not manifest.is_file():
        return {"E2E_VIDEO": "0"}
    browsers = json.loads(manifest.read_text(encoding="utf-8"))["browsers"]
    revision = next(entry["revision"] for entry in browsers if entry["name"] == "ffmpeg")
    program = "ffmpeg-mac" if sys.platform == "darwin" else "ffmpeg-linux"
    default = Path("~/Library/Caches" if sys.platform == "darwin" else "~/.cache").expanduser() / "ms-playwright"
    own = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or default) / f"ffmpeg-{revision}" / program
    if own.is_file():
        return {"E2E_VIDEO": "1"}
    system = shutil.which("ffmpeg")
    if system is None:
        say("no ffmpeg, so no video: a trace and screenshots instead")
        return {"E2E_VIDEO": "0"}
    link = LINKS / f"ffmpeg-{revision}" / program
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(system)
    say(f"recording with {system}")
    return {"E2E_VIDEO": "1", "PLAYWRIGHT_BROWSERS_PATH": str(LINKS)}


def main(arguments: Sequence[str]) -> int:
    """Prints the path, or becomes COMMAND. Exit code 1 when there is no browser, 2 for wrong arguments."""
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    command = list(arguments[cut + 1 :])
    parser = argparse.ArgumentParser(usage="browser.py [--engine NAME] [--video] [-- COMMAND ...]")
    parser.add_argument("--engine", choices=ENGINES, default="chromium")
    parser.add_argument("--video", action="store_true")
    options = parser.parse_args(arguments[:cut])
    engine = ENGINES[options.engine]
    try:
        path = find(engine)
    except NoBrowser as error:
        say(str(error))
        return 1
    if not command:
        print(path)
        return 0
    # The tests start a server of their own with the Python that has the libraries.
    environment = {**os.environ, engine.variable: str(path), "E2E_PYTHON": sys.executable}
    environment.update(recorder() if options.video else {"E2E_VIDEO": "0"})
    sys.stdout.flush()
    os.execvpe(command[0], command, environment)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
