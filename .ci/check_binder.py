"""Builds in an empty environment what Binder builds from binder/, and opens the first lesson there.

python3 .ci/check_binder.py [KEEP]

KEEP is a folder for the environment, which is otherwise temporary. Binder's images bring JupyterLab; here it is installed in the
tested version.
"""

import json
import os
import re
import resource
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILT = {"requirements.txt", "constraints.txt", "runtime.txt", "pin.py"}
"""Files of binder/ that this check knows; the last one is no part of the build."""
MEMORY = 2_000_000_000
"""Bytes that a session on mybinder.org may use."""
PATIENCE = 120
"""Seconds until the server or a kernel answers."""


def read_link() -> str:
    """The page that the README's link opens in a session."""
    (page,) = re.findall(r"mybinder\.org/v2/gh/[^)\s]*\?urlpath=([^)\s]+)", (ROOT / "README.md").read_text("utf-8"))
    return page


def check_files() -> None:
    """Nothing in binder/ would be built by Binder and not here."""
    unknown = {path.name for path in (ROOT / "binder").iterdir() if path.is_file()} - BUILT
    assert not unknown, f"binder/ has {', '.join(sorted(unknown))}, which this check does not build"
    wanted = (ROOT / "binder" / "runtime.txt").read_text("utf-8").strip()
    here = f"python-{sys.version_info.major}.{sys.version_info.minor}"
    assert wanted == here, f"Binder builds with {wanted}; run this check with it, not with {here}"


def install(folder: Path) -> Path:
    """Make an environment and install what binder/ says. Returns its Python."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    # Another index may have torch where the one for CPUs cannot be reached: it is not asked five times for each package.
    environment = {**os.environ, "PIP_RETRIES": "1", "PIP_NO_COMPILE": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    command = [python, "-m", "pip", "install", "--quiet", "-r", "binder/requirements.txt", "jupyterlab"]
    subprocess.run(command, check=True, cwd=ROOT, env=environment)
    subprocess.run([python, "-m", "pip", "check"], check=True, stdout=subprocess.DEVNULL)
    return python


def check_pins(python: Path) -> int:
    """Everything that was installed has its tested version. Returns how many packages there are."""
    lines = (ROOT / "binder" / "constraints.txt").read_text("utf-8").splitlines()
    pins = dict(line.partition(";")[0].strip().split("==") for line in lines if "==" in line and line[0] != "#")
    listed = subprocess.run([python, "-m", "pip", "list", "--format=json"], check=True, capture_output=True, text=True)
    found = {
        re.sub(r"[-_.]+", "-", package["name"]).lower(): package["version"] for package in json.loads(listed.stdout)
    }
    wrong = {
        name: version
        for name, version in found.items()
        if name not in ("nbmerge", "pip", "setuptools") and version.partition("+")[0] != pins.get(name)
    }
    assert not wrong, f"not in the versions of binder/constraints.txt: {wrong}"
    return len(found)


def open_page(python: Path, page: str, home: Path) -> None:
    """Start the server and open the page that the link names."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}", "--IdentityProvider.token="]
    server = subprocess.Popen(
        [python, "-m", "jupyter", "lab", *options], cwd=ROOT, env=make_environment(python, home), stderr=subprocess.PIPE
    )
    try:
        url = f"http://127.0.0.1:{port}"
        text = fetch(f"{url}/{page}", server)
        assert b"jupyter-config-data" in text, f"{page} is no page of JupyterLab"
        notebook = json.loads(fetch(f"{url}/api/contents/{page.removeprefix('lab/tree/')}", server))
        assert notebook["type"] == "notebook", f"{page} opens no notebook"
    finally:
        server.terminate()
        server.communicate()


def fetch(url: str, server: "subprocess.Popen[bytes]") -> bytes:
    """The answer to a request, as soon as the server gives one."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
                return answer.read()
        except urllib.error.HTTPError:
            raise
        except OSError:
            if server.poll() is not None or time.monotonic() > end:
                server.kill()
                raise RuntimeError(f"the server does not answer:\n{server.communicate()[1].decode()}") from None
            time.sleep(0.2)


def execute(python: Path, page: str, home: Path) -> int:
    """Execute the notebook offline. Returns the most memory that a process used, in bytes."""
    environment = make_environment(python, home) | {"HF_HUB_OFFLINE": "1"}
    notebook = page.removeprefix("lab/tree/")
    command = [python, "-m", "jupyter", "execute", f"--startup_timeout={PATIENCE}", notebook]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{notebook} does not run:\n{done.stderr[-4000:]}"
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024


def make_environment(python: Path, home: Path) -> dict[str, str]:
    """Variables of a session: the environment's programs come first, and nothing of the user's own files counts."""
    own = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "JUPYTER", "VIRTUAL_ENV"))
    }
    return own | {"PATH": f"{python.parent}:{os.environ['PATH']}", "HOME": str(home), "JUPYTER_PREFER_ENV_PATH": "1"}


def main(folder: Path, home: Path) -> None:
    """Build, open, execute."""
    check_files()
    page = read_link()
    began = time.monotonic()
    python = install(folder)
    count, built = check_pins(python), time.monotonic() - began
    open_page(python, page, home)
    used = execute(python, page, home)
    assert used < MEMORY, f"{page} uses {used / 1e9:.1f} GB; a session has {MEMORY / 1e9:.0f} GB"
    print(
        f"binder/ installs {count} packages in {built:.0f} s; {page} opens, and runs with {used / 1e6:.0f} MB "
        f"({time.monotonic() - began:.0f} s in all)"
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(Path(sys.argv[1] if len(sys.argv) > 1 else f"{temporary}/environment"), Path(temporary))
