"""The package outside of its checkout: the versions that it promises, and what is installed of it."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]


def requirements() -> dict[str, Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    found = [Requirement(line) for line in (*project["dependencies"], *extras["test"], *extras["lint"])]
    return {r.name: r for r in found}


def pins(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    assert all("://" not in line and not line.startswith("-") for line in lines), "an index address"
    return dict(line.split("==") for line in lines)


def test_lowest_versions_are_the_bounds():
    bounds = {n: next(s.version for s in r.specifier if s.operator == ">=") for n, r in requirements().items()
              if str(r.specifier).startswith(">=")}  # fmt: skip
    assert pins(ROOT / "tests" / "lowest.txt") == bounds


def test_constraints_keep_the_bounds():
    fixed = pins(ROOT / "constraints.txt")
    assert not {n: fixed.get(n) for n, r in requirements().items() if not r.specifier.contains(fixed.get(n, "0"))}


def run(*words, cwd: Path) -> str:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [str(w) for w in words], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """A copy of what is under version control and ends up in a package, with a wheel and a source archive of it."""
    copy = tmp_path_factory.mktemp("package") / "checkout"
    rubbish = shutil.ignore_patterns("__pycache__", ".*", "dist", "build", "report", "demo_report")
    shutil.copytree(ROOT, copy, ignore=rubbish)
    run(sys.executable, "-m", "build", "--no-isolation", cwd=copy)
    return copy


def installed(what: Path, folder: Path) -> Path:
    """A fresh environment with the package in it; its dependencies are those of this session."""
    run(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
    python = folder / "venv" / "bin" / "python"
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip()
    # A folder named in a .pth file is searched, but its own .pth files, the editable install, are not read.
    (Path(site) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    options = ("--quiet", "--no-index", "--no-build-isolation", "--ignore-installed", "--no-deps")
    run(python, "-m", "pip", "install", *options, what, cwd=folder)
    where = "import neurojax, physics, learning; print(neurojax.__file__, physics.__file__, learning.__file__)"
    files = run(python, "-c", where, cwd=folder).split()
    assert all(f.startswith(site) for f in files), files
    return folder / "venv" / "bin" / "neurojax"


@pytest.mark.slow
def test_wheel_holds_the_packages_and_runs_elsewhere(checkout, tmp_path):
    (wheel,) = (checkout / "dist").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {n.split("/")[0].partition("-")[0] for n in names} == {"neurojax", "physics", "learning", "neurojax_devices"}
    metadata = next(n for n in names if n.endswith("/METADATA"))
    assert "Requires-Dist: jax>=" in zipfile.ZipFile(wheel).read(metadata).decode()
    command = installed(wheel, tmp_path)
    assert "Vteam" in {entry["name"] for entry in json.loads(run(command, "devices", "--json", cwd=tmp_path))}
    run(command, "demo", "--output", "here", cwd=tmp_path)
    assert (tmp_path / "here" / "report.html").stat().st_size > 10_000


@pytest.mark.slow
def test_folder_and_source_archive_install_elsewhere(checkout, tmp_path):
    (archive,) = (checkout / "dist").glob("*.tar.gz")
    for k, what in enumerate((checkout, archive)):
        folder = tmp_path / str(k)
        folder.mkdir()
        assert "neurojax" in run(installed(what, folder), "--help", cwd=folder)
