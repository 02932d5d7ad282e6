"""Builds the documentation site: ``python -m docs.site.build OUT``.

Writes the pages that Sphinx reads into OUT/source and the site into OUT/html: the pages of `docs`, notebooks (executed), a page
for each merge method with a picture made here, the command line's help, and the project's own files. Any warning fails the
build. Nothing is loaded from the network, neither now nor when the site is read.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from docs import make_methods
from docs.site.check_links import find_broken
from docs.site.pages import PAGES, PARTS, REPOSITORY
from nbmerge import compare, demo, export_page, live
from nbmerge.methods import Method, methods
from nbmerge.plots import plot_method, to_bytes
from nbmerge.plots.method_effect import example_parameters

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
SPHINX_PAGES = {"search.md", "genindex.md"}
"""Pages that Sphinx writes without a warning over ours: its own search, and the index."""
LINK = re.compile(r"(\]\()([^)#\s]+)((?:#[^)\s]*)?\))")
PLOT = re.compile(r"!\[[^]]*\]\(pictures/[^)]+\)")
PICTURE = """
![{alt}](pictures/{name}.svg){{.method .dark-light}}

Twelve weights of a matrix as numbers, and all its weights as points: how far each is from the base model in {models} and in
their merge{values}. The dashed line is "as in this model". {colours}To draw it with other values:

```python
import nbmerge as nbm

nbm.plots.plot_method("{name}"{call})
```

## Parameters
"""

EXAMPLE = """
```{raw} html
<p><a href="_static/example.html">An exported page</a>, of the bundled models, here within this one:</p>
<iframe class="example" src="_static/example.html" title="An exported page" loading="lazy"></iframe>
```
"""


def main() -> None:
    """Write the pages and run Sphinx on them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--no-notebooks", action="store_true", help="do not execute the notebooks")
    options = parser.parse_args()
    source = options.out / "source"
    shutil.rmtree(source, ignore_errors=True)
    write_pages(source)
    settings = ["-D", "nb_execution_mode=off"] if options.no_notebooks else []
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", *settings]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    subprocess.run([*command, str(source), str(options.out / "html")], check=True, env=environment)
    finish_pages(options.out / "html")
    if broken := find_broken((options.out / "html").resolve()):
        raise SystemExit("\n".join(broken))


def write_pages(source: Path) -> None:
    """Write all that Sphinx reads into a folder."""
    (source / "_static").mkdir(parents=True)
    for name in ("conf.py", "mathml.py"):
        shutil.copy(HERE / name, source / name)
    shutil.copy(HERE / "site.css", source / "_static" / "site.css")
    for picture in (*(ROOT / "docs").rglob("*.png"), *(ROOT / "docs").rglob("*.svg")):
        copy = source / picture.relative_to(ROOT / "docs")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(picture, copy)
    for file, page in PAGES.items():
        text = (ROOT / file).read_text(encoding="utf-8")
        _write(source / page, _adapt(file, _relink(text, file, page)))
    for method in methods().values():
        _write_method(source / "methods", method)
    _write_course(source / "course")
    write_example(source / "_static" / "example.html")
    _write(source / "cli.md", _command_line())
    _write_parts(source)


def finish_pages(site: Path) -> None:
    """Replace the folder that the site was built in, which outputs of notebooks name, and name the theme's buttons."""
    changes = {str(ROOT): "~/nbmerge", "<summary><span": '<summary aria-label="Pages below this one"><span'}
    for path in (*site.rglob("*.html"), site / "searchindex.js"):
        text = path.read_text(encoding="utf-8")
        for old, new in changes.items():
            text = text.replace(old, new)
        path.write_text(text, encoding="utf-8")


def _adapt(file: str, text: str) -> str:
    """What a page has on the site instead of what GitHub shows."""
    if file == "README.md":
        return "# Start\n\n" + text[text.index("## Install") :]
    if file == "docs/understanding.md":  # its pictures are transparent: the theme need not dim them
        return PLOT.sub(r"\g<0>{.method .dark-light}", text)
    if file == "docs/pages.md":
        head, separator, rest = text.partition("\n## ")
        return f"{head}{EXAMPLE}{separator}{rest}"
    if file == "docs/methods.md":
        names = list(methods())
        head, rest = text.split(make_methods.BEGIN)
        table = make_methods.generated().split("\n\n")[0]
        table = re.sub(r"\]\(#([a-z0-9_-]+)\)", r"](methods/\1.md)", table)
        toctree = "\n".join(_toctree(f"methods/{name}" for name in names))
        return f"{head}{table}\n\n{toctree}\n{rest.split(make_methods.END)[1]}"
    return text


def _relink(text: str, file: str, page: str) -> str:
    """Links between files of the repository as links between pages, or into the repository where the site has no page."""

    def link(found: re.Match[str]) -> str:
        before, target, after = found.groups()
        if re.match(r"[a-z]+:", target):
            return found.group()
        path = os.path.relpath((ROOT / file).parent / target, ROOT)
        here = os.path.dirname(page)
        if path in PAGES:
            return before + os.path.relpath(PAGES[path], here or ".") + after
        if path.startswith("notebooks/") and path.endswith(".ipynb"):
            return before + os.path.relpath(f"course/{Path(path).name}", here or ".") + after
        if path.rstrip("/") == "notebooks":
            return before + os.path.relpath("course/index.md", here or ".") + after
        if path.startswith("docs/") and path.endswith((".png", ".svg")):
            return before + os.path.relpath(path.removeprefix("docs/"), here or ".") + after
        return before + REPOSITORY + path + after

    return LINK.sub(link, text)


def _write_method(folder: Path, method: Method) -> None:
    """The page of a method: its description and a picture."""
    given = example_parameters(method.name)
    picture = to_bytes(plot_method(method.name, given), "svg")
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    (folder / "pictures" / f"{method.name}.svg").write_bytes(picture)
    formula, parameters = make_methods.describe(method).split("\n$$\n\n")
    _, *body = f"{formula}\n$$\n".splitlines()
    single = method.inputs[1] == 1 + (method.base == "required")
    text = PICTURE.format(
        name=method.name,
        alt=f"What {method.title} does to weights",
        models="one model" if single else "two models",
        values=" with " + ", ".join(f"`{name}: {value:g}`" for name, value in given.items()) if given else "",
        colours="" if single else "Red points are weights that the two models change in opposite directions. ",
        call=f", {given}" if given else "",
    )
    _write(folder / f"{method.name}.md", "\n".join([f"# {method.name}", *body, text, parameters]))


def _write_course(folder: Path) -> None:
    """The notebooks, and a page that lists them."""
    folder.mkdir()
    notebooks = sorted((ROOT / "notebooks").glob("*.ipynb"))
    for notebook in notebooks:
        shutil.copy(notebook, folder / notebook.name)
    text = (HERE / "course.md").read_text(encoding="utf-8")
    _write(folder / "index.md", "\n".join([text, *_toctree((notebook.stem for notebook in notebooks), 1)]))


def write_example(file: Path) -> None:
    """An exported page of the bundled models, with what they and their merge write, and their skills."""
    recipe, family = demo.recipe(), demo.family()
    with live(recipe, progress=False) as merged:
        models = {"this recipe": merged, **family.experts}
        samples = compare(models, demo.PROMPTS, max_new_tokens=24, progress=False)
        scores = {name: demo.skills(model) for name, model in models.items()}
    pins = {"the same everywhere": demo.flat(0.5)}
    export_page(recipe, file, samples=samples, scores=scores, pins=pins, progress=False)


def _command_line() -> str:
    """The help of every command."""
    command = [sys.executable, "-m", "typer", "nbmerge.cli", "utils", "docs", "--name", "nbmerge"]
    made = subprocess.run(
        command, check=True, capture_output=True, text=True, cwd=ROOT, env={**os.environ, "COLUMNS": "100"}
    )
    return "# Command line\n\n" + made.stdout.partition("\n")[2].lstrip()


def _write_parts(source: Path) -> None:
    """A page for each part of the site, which lists its pages, and the first page, which leads to the parts."""
    listed = {page for _, _, pages in PARTS.values() for page in pages}
    missing = {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")} - set(PAGES)
    missing |= {page for page in PAGES.values() if page.removesuffix(".md") not in listed | {"start"}}
    if missing:
        raise SystemExit(f"docs/site/pages.py does not list {', '.join(sorted(missing))}.")
    if taken := SPHINX_PAGES & {*PAGES.values(), *(f"{name}.md" for name in PARTS)}:
        raise SystemExit(f"Sphinx writes pages of its own over {', '.join(sorted(taken))}: choose another name.")
    for name, (title, words, pages) in PARTS.items():
        _write(source / f"{name}.md", "\n".join([f"# {title}", "", words, "", *_toctree(pages, 1)]))
    first = (HERE / "index.md").read_text(encoding="utf-8")
    _write(source / "index.md", "\n".join([first, *_toctree(("start", "course/index", *PARTS))]))


def _toctree(pages: Iterable[str], depth: int | None = None) -> list[str]:
    """A table of contents, hidden unless it has a depth."""
    option = ":hidden:" if depth is None else f":maxdepth: {depth}"
    return ["```{toctree}", option, "", *pages, "```", ""]


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
