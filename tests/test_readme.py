"""The commands and the program of the README run as they are written there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("readme")


def environment() -> dict[str, str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "MPLBACKEND": "Agg"}


@pytest.mark.slow
@pytest.mark.parametrize("block", blocks("bash"))
def test_shell(block, folder):
    done = subprocess.run(
        ["bash", "-euc", block], cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for name in ("out.csv", "out.png", "report/report.html", "report/fit.json", "report/ranking.json"):
        assert (folder / name).stat().st_size > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("block", "says"),
    list(zip(blocks("python"), ("r_on", "CircuitRecord", "m/s", "of 16 cells", "by wires"), strict=True)),
)
def test_python(block, says, folder):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert says in done.stdout


def test_make_targets_exist():
    makefile = (Path(__file__).resolve().parents[1] / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^(?:make) (\w+)", README, flags=re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target
