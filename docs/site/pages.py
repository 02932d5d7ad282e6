"""Which page of the site each file of the repository becomes, and the order in which the site lists them."""

from __future__ import annotations

PAGES = {
    "docs/recipes.md": "recipes.md",
    "docs/inputs.md": "inputs.md",
    "docs/adapters.md": "adapters.md",
    "docs/mixtures.md": "mixtures.md",
    "docs/weights-files.md": "weights-files.md",
    "docs/curves.md": "curves.md",
    "docs/live.md": "live.md",
    "docs/vocabularies.md": "vocabularies.md",
    "docs/hub.md": "hub.md",
    "docs/history.md": "history.md",
    "docs/figures.md": "figures.md",
    "docs/pages.md": "pages.md",
    "docs/understanding.md": "understanding.md",
    "docs/teaching.md": "teaching.md",
    "docs/teaching-solutions.md": "teaching-solutions.md",
    "docs/machines.md": "machines.md",
    "docs/safety.md": "safety.md",
    "docs/methods.md": "methods.md",
    "docs/api.md": "api.md",
    "docs/search.md": "searching.md",
    "docs/evaluation.md": "evaluation.md",
    "README.md": "start.md",
    "CHANGELOG.md": "project/changelog.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "SECURITY.md": "project/security.md",
    "nbmerge/demo/MEASURED.md": "project/bundled-models.md",
}
"""Files of the repository and where the site has them. All other files are linked to in the repository. `search` and `genindex`
are pages of Sphinx."""
PARTS = {
    "guides": (
        "How-to guides",
        "How to do one thing: each page starts from a task.",
        (
            "recipes",
            "inputs",
            "adapters",
            "mixtures",
            "weights-files",
            "curves",
            "live",
            "vocabularies",
            "searching",
            "evaluation",
            "hub",
            "history",
            "figures",
            "pages",
            "teaching",
            "teaching-solutions",
        ),
    ),
    "explanation": (
        "Explanation",
        "What the numbers mean, what is promised, and under which conditions.",
        ("understanding", "machines", "safety", "project/bundled-models"),
    ),
    "reference": ("Reference", "Every method, command and public function.", ("methods", "cli", "api")),
    "project": ("Project", "How nbmerge is made.", ("project/changelog", "project/contributing", "project/security")),
}
"""Parts of the site: title, description, and pages. A page of `docs` that is in none of them fails the build."""
REPOSITORY = "https://github.com/nbmerge/nbmerge/blob/main/"
