"""The React library under React Compiler: all of it is compiled, and React's own lint has no remark."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from bake import REPOSITORY, TEMPLATE
from host import HERE

pytestmark = pytest.mark.long  # downloads

SOURCE = REPOSITORY / TEMPLATE / "libs" / "streamator-react" / "src"
TOOLS = {
    "@babel/core": "7.28.5",
    "@babel/eslint-parser": "7.28.5",
    "babel-plugin-react-compiler": "1.0.0",
    "eslint": "9.39.1",
    "eslint-plugin-react-hooks": "7.0.1",
}


def test_every_component_and_hook_compiles_and_lint_has_no_remark(tmp_path: Path) -> None:
    shutil.copytree(SOURCE, tmp_path / "src")
    shutil.copy(HERE / "react_compiler.mjs", tmp_path)
    (tmp_path / "package.json").write_text(json.dumps({"private": True, "devDependencies": TOOLS}))
    for command in (["npm", "install", "--silent", "--no-audit", "--no-fund"], ["node", "react_compiler.mjs"]):
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600)
        assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
    found = json.loads(result.stdout)
    assert found["said"] == []
    assert {"LogPanel", "LogSummary", "useLogStream", "useJob"} <= set(found["compiled"])
