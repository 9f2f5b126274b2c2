"""The wheel works without the checkout."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_the_wheel_brings_its_prompts(tmp_path: Path) -> None:
    """Installed from a wheel into an empty folder, `synthneg prompts list` shows every prompt of the checkout."""
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(tmp_path),
        str(ROOT),
    ]
    subprocess.run(build, check=True, cwd=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    wanted = {
        p.relative_to(ROOT / "prompts").with_suffix("").as_posix()
        for p in (ROOT / "prompts").glob("*/*.j2")
    }

    listed = subprocess.run(
        [sys.executable, "-c", "import synthneg.cli as c; c.main()", "prompts", "list"],
        env=os.environ | {"PYTHONPATH": str(site)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert wanted
    assert set(re.findall(r"^  (\S+)@", listed, re.MULTILINE)) == wanted
    assert (site / "synthneg" / "_prompts").is_dir()
    assert {"settings.yaml", "demo.yaml"} <= {p.name for p in (site / "synthneg" / "cli").iterdir()}
    page = {"page.css", "page.html.j2", "page.js"}
    assert page <= {p.name for p in (site / "synthneg" / "report").iterdir()}
