"""Checks that the wheel contains the package and nothing else, and that it imports without its dependencies."""

import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from zipfile import ZipFile

DEMO_LIMIT = 12_000_000
"""Bytes that the bundled models may take in the wheel."""

wheel = Path(sys.argv[1])
with ZipFile(wheel) as archive:
    sizes = {info.filename: info.compress_size for info in archive.infolist()}
    page = next(archive.read(name).decode() for name in sizes if name.endswith(".dist-info/METADATA"))
demo = sum(size for name, size in sizes.items() if name.startswith("nbmerge/demo/"))
models = [name for name in sizes if name.startswith("nbmerge/demo/") and name.endswith(".safetensors")]
assert len(models) == 3, f"the demo's three models are not in the wheel: {models}"
assert demo <= DEMO_LIMIT, f"the demo's models take {demo:,} bytes in the wheel, more than {DEMO_LIMIT:,}"
assert "nbmerge/notebooks/01-first-merge.ipynb" in sizes, "the notebooks are not in the wheel"
assert any(name.endswith("licenses/LICENSE") for name in sizes), "the licence is not in the wheel"
static = {name.rpartition("/")[2] for name in sizes if name.startswith("nbmerge/widgets/static/")}
assert "studio.css" in static, "the style sheet of the Studio is not in the wheel"
assert any(name.endswith(".js") for name in static), "the scripts of the Studio are not in the wheel"
assert "page.js" in static, "the script of exported pages is not in the wheel"
assert "THIRD-PARTY-LICENSES.txt" in static, "the licences of what the scripts contain are not in the wheel"
assert not [name for name in sizes if name.endswith(".ts")], "sources of the scripts are in the wheel"
assert "nbmerge/py.typed" in sizes, "py.typed is not in the wheel"
relative = re.findall(r"\]\((?!https?://|#)([^)]*)\)", page)
assert "](https://" in page, "the wheel's page has no links: is the README in it?"
assert not relative, f"links of the README that do not work on PyPI: {relative}"
strangers = [name for name in sizes if not name.startswith(("nbmerge/", "nbmerge-"))]
assert not strangers, f"the wheel installs more than nbmerge: {strangers}"

with tempfile.TemporaryDirectory() as folder:
    venv.create(folder, with_pip=True)
    python = Path(folder, "bin", "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel], check=True)
    # In another folder, so that the checkout is not imported; without dependencies, so that no heavy one can be imported.
    subprocess.run(
        [python, "-c", "import nbmerge; print(nbmerge.__version__, nbmerge.__file__)"], check=True, cwd=folder
    )

print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB, of which the demo's models {demo / 1e6:.1f} MB")
