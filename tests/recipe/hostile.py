"""Texts that mean harm, or look like it. Run as a program, it reads those that it is given, or all, and prints what each cost."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Container, Iterator
from pathlib import Path

SIZE = 490_000
"""Just below the longest text that is read at all."""


def row(count: int, times: int) -> str:
    """Documents each of which takes the one before, so many times."""
    models = [f"models: [{', '.join([f'm{i - 1}'] * times)}]" for i in range(1, count)]
    named = [f"name: m{i}\nmerge_method: linear\n{m}\n" for i, m in enumerate(models, start=1)]
    return "---\n".join(["name: m0\nmerge_method: linear\nmodels: [a, b]\n", *named])


def texts() -> dict[str, Callable[[], str]]:
    """Each text by name, made when asked for."""
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)
    )
    head = "merge_method: linear\nmodels: [a, b]\n"
    gradient = "x.py --model_path1 a --model_path2 b"
    block = "```yaml\nmerge_method: linear\n```\n"
    return {
        "deep lists": lambda: "merge_method: " + "[" * 100_000,
        "deep mappings": lambda: "a: " * 1 + "{a: " * 50_000,
        "many models": lambda: "merge_method: linear\nmodels: [" + ",".join(f"m{i}" for i in range(9_900)) + "]\n",
        "many adapters": lambda: "merge_method: linear\nmodels: [a" + "+b" * (SIZE // 2) + "]\n",
        "documents in a row": lambda: row(90, 1),
        "documents that take each other twice": lambda: row(90, 2),
        "a long tuple in a cell": lambda: "x = (" + "1," * (SIZE // 2) + ")",
        "base 60": lambda: "merge_method: " + "1:" * (SIZE // 2) + "1",
        "escapes": lambda: 'merge_method: "' + "\\x41" * (SIZE // 4) + '"',
        "folded lines": lambda: "merge_method: >\n" + "\n" * SIZE,
        "anchors": lambda: head + "x: [" + ",".join(f"&a{i} 1" for i in range(9_900)) + "]",
        "directives": lambda: "%FOO bar\n" * (SIZE // 9),
        "deep indents": lambda: "".join(f"{' ' * i}a:\n" for i in range(1500)),
        "a bomb": lambda: bomb + head,
        "an alias of itself": lambda: "merge_method: &a [*a]\n",
        "a python tag": lambda: "merge_method: !!python/object/apply:os.system ['true']\n",
        "a tag on a mapping": lambda: "!!python/object:os.x {merge_method: linear}\n",
        "a private tag": lambda: "merge_method: !x linear\n",
        "a long list": lambda: head + "parameters: {weight: [" + "1," * (SIZE // 2) + "]}\n",
        "many lines": lambda: head + "parameters:\n  weight:\n" + "  - 1\n" * (SIZE // 6),
        "many keys": lambda: head + "".join(f"k{i}: 1\n" for i in range(SIZE // 12)),
        "many documents": lambda: "---\na: 1\n" * (SIZE // 9),
        "a long word": lambda: "merge_method: " + "x" * SIZE,
        "a long line of words": lambda: "merge_method: " + "x " * (SIZE // 2),
        "a long comment": lambda: "#" * SIZE,
        "a long quotation": lambda: 'merge_method: "' + "\\n" * (SIZE // 2) + '"',
        "spaces": lambda: " " * SIZE + "a",
        "line breaks": lambda: "\n" * SIZE + "a",
        "too long": lambda: "a: 1\n" * 1_000_000,
        "a base-60 number": lambda: head + "random_seed: " + "1:" * (SIZE // 2) + "1\n",
        "a huge integer": lambda: head + "random_seed: " + "9" * SIZE + "\n",
        "nan": lambda: head + "parameters: {weight: .nan}\n",
        "a nan as a word": lambda: head + "parameters: {weight: NaN}\n",
        "infinity": lambda: head + "parameters: {weight: [1, -.inf]}\n",
        "1e999": lambda: head + "parameters: {weight: 1e999}\n",
        "1e999 as a text": lambda: head + "parameters: {weight: '1e999'}\n",
        "a date": lambda: "merge_method: 2024-01-01\nmodels: 2024-01-01\n",
        "an impossible date": lambda: "merge_method: 2024-99-99\n",
        "bytes": lambda: "merge_method: !!binary aGVsbG8=\n",
        "control characters": lambda: "merge_method: lin\x00ear\n",
        "escape sequences": lambda: "merge_method: \x1b[31mlinear\n",
        "half a surrogate": lambda: "merge_method: \ud800\n",
        "a byte order mark inside": lambda: "merge_method: a\ufeff\nmodels: \u202e[a]\n",
        "keys twice": lambda: "merge_method: a\nmerge_method: b\n",
        "a merge key": lambda: "<<: {merge_method: linear}\nmodels: [a]\n",
        "a list as a key": lambda: "? [a, b]\n: c\n",
        "an endless range": lambda: head.replace("models", "slices") + f"x: {10**30}\n",
        "a model that is a number": lambda: "merge_method: linear\nmodels: [1, 2.5, {x: y}, [a]]\n",
        "a model that climbs": lambda: "merge_method: linear\nmodels: ['../../../etc/passwd\\0', '']\n",
        "a long path": lambda: f"merge_method: linear\nmodels: ['{'/a' * 100_000}@@']\n",
        "documents in a circle": lambda: "---\n".join(
            f"name: {x}\nmerge_method: linear\nmodels: [{y}]\n" for x, y in ("ab", "ba")
        ),
        "documents that multiply": lambda: "".join(
            f"---\nname: s{i}\nmerge_method: linear\nmodels: [s{i - 1}, s{i - 2}]\n" for i in range(2, 300)
        ),
        "many fences": lambda: "```yaml\n" * (SIZE // 8),
        "many blocks": lambda: block * (SIZE // len(block)),
        "a fence without an end": lambda: "```yaml\nmerge_method: " + "[" * 100_000,
        "fences in fences": lambda: "".join(f"{'`' * i}yaml\nmerge_method\n" for i in range(3, 1000)),
        "long fences": lambda: "`" * SIZE + "\nmerge_method\n",
        "quotes that nest": lambda: "x = '''\n" * 2000 + "merge_method" + "\n'''" * 2000,
        "parentheses in a cell": lambda: "x = '''merge_method\n'''\ny = " + "(" * 100_000 + ")" * 100_000,
        "minus signs in a cell": lambda: "x = '''merge_method\n'''\ny = " + "-" * 900_000 + "1",
        "a sum in a cell": lambda: "x = '''merge_method\n'''\ny = " + "1+" * 200_000 + "1",
        "attributes in a cell": lambda: "x = '''merge_method\n'''\ny = a" + ".b" * 100_000,
        "code in a cell": lambda: "import os\nos.system('touch /tmp/never')\nx = '''\nmerge_method: [1\n'''\n",
        "data in a cell": lambda: "r = Recipe.of({'merge_method': __import__('os').system('true')})\n",
        "deep data in a cell": lambda: "r = Recipe.of({'a': " + "[" * 90 + "]" * 90 + "})\n",
        "a notebook of nothing": lambda: '{"cells": [' + "[" * 100_000 + "]}",
        "a notebook of other things": lambda: '{"cells": [1, {"cell_type": 3}]}\n',
        "a command with a long tail": lambda: "python main.py --merge " + "a " * (SIZE // 2),
        "a command with many models": lambda: "python main.py --merge a " * (SIZE // 25),
        "a command with an open quotation": lambda: "python main.py --merge 'a\n",
        "a command that would do harm": lambda: "python main.py --merge $(rm -rf /) --merge `reboot` ; rm x\n",
        "continuations": lambda: "--merge \\\n" * (SIZE // 11),
        "options": lambda: "python main.py --merge a " + "--x" * 100_000,
        "values of a gradient": lambda: f"{gradient} --gradient_values " + "[" * 50_000 + "\n",
        "a gradient of all there is": lambda: f"{gradient} --gradient_values [" + "1," * 100_000 + "]\n",
        "a gradient to infinity": lambda: "x.py --model_path1 a --model_path2 b --gradient_start inf\n",
        "block weights without end": lambda: "0.5," * (SIZE // 4),
        "a million presets": lambda: ("A\t" + ",".join(["0"] * 20) + "\n") * (150_000 // 42),
        "almost block weights": lambda: "0.5,\t " * (190_000 // 6) + "x",
        "operations": lambda: "model_path1: a\noperations: [" + "{gradient_values: [1]}," * 5000 + "]\n",
        "a genome": lambda: "genome: {models: [" + "a," * 9000 + "], merge_method: 1}\n",
        "layers that are none": lambda: "layer_slices: [{model: a, start: .nan, end: .inf}]\n",
        "nothing": lambda: "\n",
        "null": lambda: "~\n",
    }  # fmt: skip


SLOW = {
    "a command with a long tail", "a command with many models", "a huge integer", "a genome", "a long line of words", "a long list",
    "a long quotation", "a base-60 number", "anchors", "base 60", "continuations", "directives", "escapes", "folded lines",
    "line breaks", "many documents", "many keys", "many lines", "many models", "operations", "spaces", "a long comment",
}  # fmt: skip
"""Texts that take 0.15 seconds and more."""


def costs(names: Container[str]) -> Iterator[dict]:
    """What reading texts came to: the kind of error, its message, seconds, and the memory held at most."""
    from nbmerge.recipe import Recipe

    for name, make in texts().items():
        if name not in names:
            continue
        text = make()
        began = time.process_time()  # what other programs take meanwhile is not its fault
        try:
            Recipe.load(text)
            kind, message = "", ""
        except BaseException as error:
            kind, message = type(error).__name__, str(error)
        seconds = time.process_time() - began
        cost = {"name": name, "kind": kind, "message": message[:2000], "length": len(message)}
        yield cost | {"seconds": seconds, "bytes": peak()}


def peak() -> int:
    """Most memory that this process has held, in bytes."""
    status = Path("/proc/self/status")
    if status.is_file():  # getrusage would count what the parent held before this program was started
        return 1024 * next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    print(json.dumps(list(costs(sys.argv[1:] or texts()))))
