"""`scripts/browser.py` says which browser it takes and why, and never goes on without one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from bake import REPOSITORY, TEMPLATE


@pytest.fixture
def scripts(template: Path, tmp_path: Path) -> Path:
    """A project with nothing installed, in which only these scripts are of interest."""
    folder = tmp_path / "project" / "scripts"
    folder.mkdir(parents=True)
    (folder / "browser.py").write_bytes((template / TEMPLATE / "scripts" / "browser.py").read_bytes())
    return folder


def program(path: Path) -> Path:
    """Makes a program that does nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\nexit 0\n")
    path.chmod(0o755)
    return path


def find(scripts: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs the finder with nothing on its PATH but what the test has put into tmp_path/bin."""
    home = scripts.parent.parent
    environment = {"PATH": str(home / "bin"), "HOME": str(home), **variables}
    command = [sys.executable, str(scripts / "browser.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)


def test_a_chosen_path_goes_before_all_others(scripts: Path, tmp_path: Path) -> None:
    program(tmp_path / "bin" / "chromium")
    mine = program(tmp_path / "mine")
    result = find(scripts, CHROMIUM_PATH=str(mine))
    assert (result.returncode, result.stdout.strip()) == (0, str(mine))
    assert "CHROMIUM_PATH" in result.stderr


def test_a_chosen_path_with_no_program_is_an_error_though_another_is_installed(scripts: Path, tmp_path: Path) -> None:
    program(tmp_path / "bin" / "chromium")
    result = find(scripts, CHROMIUM_PATH="/nowhere/chromium")
    assert (result.returncode, result.stdout) == (1, "")
    assert "/nowhere/chromium" in result.stderr


@pytest.mark.parametrize("name", ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"])
def test_an_installed_browser_is_found(scripts: Path, tmp_path: Path, name: str) -> None:
    installed = program(tmp_path / "bin" / name)
    result = find(scripts)
    assert (result.returncode, result.stdout.strip()) == (0, str(installed))
    assert f"using {installed} (installed on this system)" in result.stderr


def test_no_browser_is_an_error_that_says_how_to_get_one(scripts: Path) -> None:
    result = find(scripts)
    assert (result.returncode, result.stdout) == (1, "")
    assert "apt install chromium" in result.stderr
    assert "CHROMIUM_PATH" in result.stderr


@pytest.mark.parametrize(("engine", "package"), [("firefox", "firefox-esr"), ("webkit", "webkit2gtk-driver xvfb")])
def test_another_engine_that_is_not_there_is_an_error_that_says_how_to_get_it(
    scripts: Path, tmp_path: Path, engine: str, package: str
) -> None:
    program(tmp_path / "bin" / "chromium")
    result = find(scripts, "--engine", engine)
    assert (result.returncode, result.stdout) == (1, "")
    assert f"`apt install {package}`" in result.stderr
    assert f"set {engine.upper()}_PATH" in result.stderr


@pytest.mark.parametrize(
    ("engine", "name"),
    [("chromium", "chromium"), ("firefox", "firefox-esr"), ("firefox", "firefox"), ("webkit", "WebKitWebDriver")],
)
def test_a_command_is_told_where_the_browser_of_an_engine_is(
    scripts: Path, tmp_path: Path, engine: str, name: str
) -> None:
    program(tmp_path / "bin" / "Xvfb")
    installed = program(tmp_path / "bin" / name)
    code = f"import os; print(os.environ['{engine.upper()}_PATH'])"
    result = find(scripts, "--engine", engine, "--", sys.executable, "-c", code)
    assert (result.returncode, result.stdout.strip()) == (0, str(installed))


def test_a_firefox_is_the_one_that_is_shipped_and_not_playwright_s_build(scripts: Path, tmp_path: Path) -> None:
    (scripts.parent / "node_modules" / "playwright-core").mkdir(parents=True)
    program(tmp_path / "bin" / "node").write_text(f"#!/bin/sh\nprintf %s {program(tmp_path / 'playwright')}\n")
    installed = program(tmp_path / "bin" / "firefox")
    assert find(scripts, "--engine", "firefox").stdout.strip() == str(installed)
    assert find(scripts).stdout.strip() == str(tmp_path / "playwright")


def test_webkit_has_windows_and_is_not_taken_without_a_screen_for_them(scripts: Path, tmp_path: Path) -> None:
    program(tmp_path / "bin" / "WebKitWebDriver")
    assert find(scripts, "--engine", "webkit").returncode == 1
    program(tmp_path / "bin" / "Xvfb")
    assert find(scripts, "--engine", "webkit").returncode == 0


def test_an_engine_that_there_is_not_is_an_error_that_names_those_there_are(scripts: Path) -> None:
    result = find(scripts, "--engine", "presto")
    assert result.returncode == 2
    assert all(name in result.stderr for name in ("presto", "chromium", "firefox", "webkit"))


def test_a_command_is_not_run_without_a_browser(scripts: Path, tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    code = f"open({str(touched)!r}, 'w')"
    assert find(scripts, "--", sys.executable, "-c", code).returncode == 1
    assert not touched.exists()


def test_a_command_gets_the_browser_and_gives_the_exit_code(scripts: Path, tmp_path: Path) -> None:
    mine = program(tmp_path / "mine")
    code = "import os, sys; print(os.environ['CHROMIUM_PATH'], os.environ['E2E_VIDEO']); sys.exit(5)"
    result = find(scripts, "--", sys.executable, "-c", code, CHROMIUM_PATH=str(mine))
    assert (result.returncode, result.stdout.split()) == (5, [str(mine), "0"])


@pytest.mark.parametrize("has_ffmpeg", [True, False])
def test_a_video_needs_an_ffmpeg(scripts: Path, tmp_path: Path, has_ffmpeg: bool) -> None:
    (scripts.parent / "node_modules").symlink_to(REPOSITORY / TEMPLATE / "node_modules")
    mine = program(tmp_path / "mine")
    if has_ffmpeg:
        program(tmp_path / "bin" / "ffmpeg")
    code = "import os; print(os.environ['E2E_VIDEO'], os.environ.get('PLAYWRIGHT_BROWSERS_PATH', '-'))"
    result = find(scripts, "--video", "--", sys.executable, "-c", code, CHROMIUM_PATH=str(mine))
    assert result.returncode == 0, result.stderr
    video, folder = result.stdout.split()
    if has_ffmpeg:
        assert video == "1"
        (link,) = Path(folder).glob("ffmpeg-*/ffmpeg-*")
        assert os.path.realpath(link) == str(tmp_path / "bin" / "ffmpeg")
    else:
        assert (video, folder) == ("0", "-")
        assert "no ffmpeg" in result.stderr
