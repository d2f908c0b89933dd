"""The command line keeps large memory, an import does not, but where it is called."""

import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import numpy as np
if sys.argv[1] == "keep":
    import neurojax
    assert neurojax.keep_memory()
else:
    import neurojax
count = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(3):
    np.ones(7 * 2**20)
before = count()
for _ in range(10):
    np.ones(7 * 2**20)
print(count() - before)
"""


def _faults(how: str) -> int:
    ran = subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True)
    return int(ran.stdout.split()[-1])


@pytest.mark.skipif(sys.platform != "linux", reason="glibc")
def test_memory_that_is_kept_is_not_asked_for_again():
    assert _faults("import") > 1000
    assert _faults("keep") < 100


def test_what_the_environment_says_is_left_alone(monkeypatch):
    from neurojax import _malloc

    monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", "1048576")
    assert not _malloc.keep_memory()
