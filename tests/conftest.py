"""What several test files need."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DATA = ROOT.parent / "shared" / "data"


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 300 kB, where the tests may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)]
    if os.name != "posix" or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(scope="session")
def street():
    """The sample clip of a street."""
    return ROOT / "sample_videos" / "street.mp4"


@pytest.fixture(scope="session")
def real_data():
    """The folder of benchmark sequences, where it is there."""
    if not DATA.is_dir():
        pytest.skip("needs the benchmark sequences in ../shared/data")
    return DATA
