import platform
import subprocess
import sys

import pytest

CODE = """
import resource, sys, torch
from nbmerge.engine.allocation import keep_buffers
if sys.argv[1] == "kept": assert keep_buffers()
def work():
    for _ in range(200): a = torch.ones(1 << 18); b = a + a; c = b + a
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library has other habits")
def test_pages_of_freed_buffers_are_used_again():
    def faults(way):
        return int(subprocess.run([sys.executable, "-c", CODE, way], capture_output=True, check=True).stdout)

    assert faults("kept") < 1000 < faults("as it is")
