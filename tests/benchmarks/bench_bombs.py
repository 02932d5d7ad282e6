# ruff: noqa: E501  (a table with one bomb a line)
"""What each known bomb costs: seconds and memory until it is refused, or until it is ended.

    python -m tests.benchmarks.bench_bombs [NAME ...] [--tree FOLDER] [--seconds 120]

Each runs in a process of its own, with at most 6 GB of address space beyond what the imports take, after a sound input of the
same kind. `--tree` measures another checkout of the package with the bombs of this one.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import resource
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import torch

from tests.models import make_model, read_tensors

ROOT = Path(__file__).parents[2]
COMMIT = "a" * 40
MEMORY = 6 << 30
CHILD = """
import json, resource, sys, time
import torch, transformers, nbmerge
from pathlib import Path
status = lambda key: next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith(key))
folder = Path(sys.argv[1])
def of(model, **more):
    return {"merge_method": "linear", "models": [{"model": str(model), "parameters": {"weight": 1}}], **more}
union = {"tokenizer_source": "union"}
sound = folder / "sound"
nbmerge.check(of(sound, **union)); nbmerge.sample(str(sound), "ab", max_new_tokens=1)
address = status("VmSize") * 1024 + int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_AS, (address, address))
Path("/proc/self/clear_refs").write_text("5")
print(json.dumps({"idle": status("VmHWM")}), flush=True)
start, clock = time.process_time(), time.perf_counter()
try:
    result = str(eval(sys.argv[3]))
except BaseException as error:
    result = f"{type(error).__name__}: {error}"
print(json.dumps({"seconds": time.process_time() - start, "clock": time.perf_counter() - clock,
                  "peak": status("VmHWM"), "result": result[:160]}), flush=True)
"""


def sound(folder: Path) -> Path:
    """A model to begin with."""
    return make_model(folder, layers=2)


def pickled(folder: Path, data: bytes, how: int) -> None:
    """A torch file with this pickle."""
    sound(folder)
    torch.save(read_tensors(folder), folder / "old.bin")
    with zipfile.ZipFile(folder / "old.bin") as old, zipfile.ZipFile(folder / "pytorch_model.bin", "w") as new:
        for member in old.namelist():
            if member.endswith("data.pkl"):
                new.writestr(member, data, how)
            else:
                new.writestr(member, old.read(member))
    (folder / "old.bin").unlink()
    (folder / "model.safetensors").unlink()


def with_json(folder: Path, name: str, change: Callable[[dict], None]) -> None:
    """A model with one of its files changed."""
    sound(folder)
    data = json.loads((folder / name).read_text()) if (folder / name).exists() else {}
    change(data)
    (folder / name).write_text(json.dumps(data))


def documents(model: str, count: int) -> str:
    """Merges each of which takes the one before twice."""
    models = [model, *(f"m{i}" for i in range(1, count))]
    return "---\\n".join(
        ("" if i == count else f"name: m{i}\\n") + "merge_method: linear\\nmodels: "
        f"[{{model: {m}, parameters: {{weight: 0.3}}}}, {{model: {m}, parameters: {{weight: 0.7}}}}]\\n"
        for i, m in enumerate(models, start=1)
    )


def large_index(folder: Path) -> None:
    """A snapshot of the Hub's cache, at a commit, with an index of 61 MB."""
    place = folder.parent / "hub" / "models--org--x" / "snapshots" / COMMIT
    sound(place)
    names = {f"model.layers.{i}.w": "model-00001-of-00001.safetensors" for i in range(1_000_000)}
    (place / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": names}))


def checksums(content: Callable[[Path], object]) -> Callable[[Path], None]:
    """A folder whose checksum file is something else."""

    def make(folder: Path) -> None:
        sound(folder)
        content(folder / "nbmerge_checksums.json")

    return make


def declared(folder: Path) -> None:
    with_json(folder, "config.json", lambda c: c.update(num_hidden_layers=99_999))


def numbered(folder: Path) -> None:
    added = {"id": 2 * 10**9, "content": "<far>", "special": True, "single_word": False, "lstrip": False,
             "rstrip": False, "normalized": False}  # fmt: skip
    with_json(folder, "tokenizer.json", lambda t: t.setdefault("added_tokens", []).append(added))


def templated(folder: Path) -> None:
    sound(folder)
    text = "{% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}{% endfor %}"
    (folder / "chat_template.jinja").write_text(text)


def tokens(folder: Path) -> None:
    with_json(
        folder,
        "tokenizer_config.json",
        lambda c: c.update(additional_special_tokens=[f"<t{i}>" for i in range(50_000)]),
    )


LAUGHS = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\\n" + "".join(
    f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\\n" for i in range(1, 30)
)
CHECK, SAMPLE, VERIFY = (
    "nbmerge.check(of(folder / 'x'))",
    "nbmerge.sample(str(folder / 'x'), 'ab', max_new_tokens=1)",
    "nbmerge.verify(folder / 'x')",
)
HEAD = "merge_method: linear\\nmodels: [{model: a, parameters: {weight: 1}}]\\n"
BOMBS: dict[str, tuple[Callable[[Path], object], str]] = {
    "deflated pickle of 61 kB": (lambda f: pickled(f, b"\x80\2" + b"]" * 61_000_000 + b".", zipfile.ZIP_DEFLATED), CHECK),
    "pickle: 15 MB of lists": (lambda f: pickled(f, b"\x80\2" + b"]" * 15_000_000 + b".", zipfile.ZIP_STORED), CHECK),
    "pickle: 15 MB of nested tuples": (lambda f: pickled(f, b"\x80\2)" + b"\x85" * 15_000_000 + b".", zipfile.ZIP_STORED), CHECK),
    "pickle: 15 MB of doubled tuples": (lambda f: pickled(f, b"\x80\2)" + b"2\x86" * 7_500_000 + b".", zipfile.ZIP_STORED), CHECK),
    "pickle: 15 MB of a memo": (lambda f: pickled(f, b"\x80\4]" + b"\x94" * 15_000_000 + b".", zipfile.ZIP_STORED), CHECK),
    "pickle of a global": (lambda f: pickled(f, pickle.dumps(os.system), zipfile.ZIP_STORED), CHECK),
    "token id 2e9, union": (numbered, "nbmerge.plan(of(folder / 'x', **union))"),
    "pad_to_multiple_of 2e9, union": (sound, "nbmerge.plan(of(folder / 'x', tokenizer={'source': 'union', 'pad_to_multiple_of': 2 * 10**9}))"),
    "merges that take each other twice, 24 levels": (sound, f"nbmerge.check('{documents('MODEL', 24)}'.replace('MODEL', str(folder / 'x')))"),
    "merges that take each other twice, 90 levels": (sound, f"nbmerge.check('{documents('MODEL', 90)}'.replace('MODEL', str(folder / 'x')))"),
    "verify: checksums are a pipe": (checksums(os.mkfifo), VERIFY),
    "verify: nested JSON": (checksums(lambda p: p.write_text('{"a":' * 100_000)), VERIFY),
    "verify: 150 MB of JSON": (checksums(lambda p: p.write_text('{"tensors": {"x": [' + "0," * 75_000_000 + "0]}}")), VERIFY),
    "sample: 99,999 layers over 2": (declared, SAMPLE),
    "sample: 50,000 special tokens": (tokens, SAMPLE),
    "sample: a chat template without an end": (templated, SAMPLE),
    "Hub: a listing without an end": (sound, "nbmerge.check(of('org/endless'))"),
    "Hub: an index of 61 MB at a pinned commit": (large_index, f"nbmerge.check(of('org/x@{COMMIT}'))"),
    "recipe text that names a pipe": (lambda f: (sound(f), os.mkfifo(f / "pipe")), "nbmerge.Recipe.load(f'mergekit-yaml {folder}/x/pipe out')"),
    "YAML: aliases of aliases": (sound, f"nbmerge.Recipe.load('{LAUGHS}{HEAD}')"),
    "YAML: an alias of itself": (sound, f"nbmerge.Recipe.load('a: &a [*a]\\n{HEAD}')"),
    "YAML: 100,000 brackets": (sound, f"nbmerge.Recipe.load('{HEAD}x: ' + '[' * 100_000)"),
    "YAML: a scalar of 490 kB": (sound, f"nbmerge.Recipe.load('{HEAD}name: ' + '1:' * 245_000 + '1')"),
    "YAML: a scalar of 50 MB": (sound, f"nbmerge.Recipe.load('{HEAD}name: ' + 'a ' * 25_000_000)"),
    "YAML: a million entries": (sound, f"nbmerge.Recipe.load('{HEAD}x:\\n' + '- 1\\n' * 1_000_000)"),
    "YAML: 120,000 entries": (sound, f"nbmerge.Recipe.load('{HEAD}x:\\n' + '- 1\\n' * 120_000)"),
    "YAML: 9,900 models, offline": (sound, "nbmerge.check('merge_method: linear\\nmodels: [' + ','.join(f'm{i}' for i in range(9900)) + ']\\n')"),
}  # fmt: skip
"""By name: what makes it in a folder, and what is done to it."""


class Endless(BaseHTTPRequestHandler):
    """A Hub whose every answer goes on as long as somebody reads."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Begin an answer, and never end it."""
        self.send_response(200)
        for name, value in {"Transfer-Encoding": "chunked", "Content-Type": "application/json"}.items():
            self.send_header(name, value)
        self.end_headers()
        piece = b"10000\r\n" + b" " * 65_536 + b"\r\n"
        try:
            while True:
                self.wfile.write(piece)
        except OSError:
            self.close_connection = True

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def measure(name: str, tree: Path, seconds: float) -> dict:
    """One bomb: what it cost and how it ended."""
    make, action = BOMBS[name]
    server = ThreadingHTTPServer(("127.0.0.1", 0), Endless)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory(prefix="nbmerge-bomb-") as folder:
        sound(Path(folder) / "sound")
        make(Path(folder) / "x")
        env = os.environ | {"PYTHONPATH": str(tree), "HF_HOME": folder, "HF_HUB_DISABLE_XET": "1", "OMP_NUM_THREADS": "1",
                            "HF_ENDPOINT": f"http://127.0.0.1:{server.server_address[1]}"}  # fmt: skip
        if "offline" in name:
            env["HF_HUB_OFFLINE"] = "1"
        child = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", CHILD, folder, str(MEMORY), action],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=tree, env=env,
        )  # fmt: skip
        idle = json.loads(child.stdout.readline() or "{}").get("idle", 0)
        timer = threading.Timer(seconds, lambda: stop(child, cost))
        cost: dict = {}
        timer.start()
        last = child.stdout.readline()
        child.wait()
        timer.cancel()
        server.shutdown()
        found = json.loads(last) if last else {"result": f"ended with status {child.returncode}", **cost}
        return {"name": name, "megabytes": max(0, found.get("peak", 0) - idle) / 1e3, **found}


def stop(child: subprocess.Popen, cost: dict) -> None:
    """End a bomb that goes on, and note what it had taken."""
    lines = Path(f"/proc/{child.pid}/status").read_text().splitlines()
    cost["peak"] = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    times = Path(f"/proc/{child.pid}/stat").read_text().rsplit(")", 1)[1].split()
    cost["seconds"] = sum(map(int, times[11:13])) / os.sysconf("SC_CLK_TCK")
    cost["result"] = "stopped: it went on"
    child.kill()


def main() -> None:
    """Measure all, or those that are named."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--tree", type=Path, default=ROOT)
    parser.add_argument("--seconds", type=float, default=120)
    given = parser.parse_args()
    print("| | seconds of the processor | MB | |\n|---|---|---|---|")
    for name in BOMBS:
        if not given.names or name in given.names:
            found = measure(name, given.tree.resolve(), given.seconds)
            print(
                f"| {name} | {found.get('seconds', 0):.2f} | {found['megabytes']:.0f} | {found['result']} |".replace(
                    "\n", " "
                ),
                flush=True,
            )


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
