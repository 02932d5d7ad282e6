"""A merged folder onto the Hub, with its card, through huggingface_hub and its login."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nbmerge.checkpoints.hub.http import PATIENCE
from nbmerge.checkpoints.hub.interruptible import wait_for
from nbmerge.checkpoints.hub.messages import LOG_IN, reason
from nbmerge.engine.output.folder import MANIFEST, absolute
from nbmerge.engine.public_names import public_names, replace_names, with_names
from nbmerge.errors import CheckpointError, NbmergeError, OutputError
from nbmerge.guarded_files import read_model_text
from nbmerge.recipe import RECIPE_FILE, Recipe

if TYPE_CHECKING:
    from huggingface_hub import HfApi

NEEDED = ("config.json", "README.md", RECIPE_FILE, MANIFEST)
"""What a complete merge has beside its weights."""
LEFT_OUT = (".*", "**/.*", "*.incomplete", "*.lock")
"""What is never uploaded."""
_ID = re.compile(r"([\w-][\w.-]*/)?[\w-][\w.-]*")


@dataclass(frozen=True)
class Published:
    """Where a merge is now.

    Parameters
    ----------
    url : str
        Its page.
    repo_id, commit : str
        ``repo_id@commit`` names these very files in any recipe.
    private : bool
        Whether only you, or your organisation, can see it.
    """

    url: str
    repo_id: str
    commit: str
    private: bool

    def __repr__(self) -> str:
        return f"<Published {self.url} at {self.commit[:8]}, {'private' if self.private else 'public'}>"


def publish(
    out: str | Path, repo_id: str, *, private: bool = True, message: str | None = None, branch: str | None = None
) -> Published:
    """Upload a merged folder with its card.

    Card and recipe name folders of this machine by their Hub id, or by their name alone.

    Every tensor is compared with the checksum that was recorded when it was written, so that only what was merged is
    published. A model that exists already gets a new commit, and stays as visible as it is.

    Parameters
    ----------
    out : path
        A folder that `nbmerge.merge` wrote.
    repo_id : str
        ``you/name``, or a name alone for your own account.
    private : bool
        Whether a new model is seen by you alone; make it public on its page when you have looked at it, or pass False.
    message : str, optional
        Of the commit.
    branch : str, optional
        Default ``main``; another must exist.

    Raises
    ------
    CheckpointError
        When the folder is not a complete merge, or damaged. Nothing is created on the Hub.
    OutputError
        When the Hub does not take it: no login, no right, no network. Uploading again goes on where it stopped.
    """
    folder = absolute(out)
    recipe = _complete(folder)
    if not isinstance(repo_id, str) or not _ID.fullmatch(repo_id):
        raise OutputError(f"{repo_id!r:.120} is not the id of a model. It is you/name, such as alice/my-merge.")
    from huggingface_hub import HfApi, constants

    if constants.HF_HUB_OFFLINE:
        raise OutputError("Offline mode (HF_HUB_OFFLINE) forbids uploads. Unset it to publish.")
    hub = HfApi()
    with public_copy(folder, recipe) as shared:
        return _upload(hub, shared, recipe, repo_id, private, message, branch)


def _upload(
    hub: HfApi, folder: Path, recipe: Recipe, repo_id: str, private: bool, message: str | None, branch: str | None
) -> Published:
    """Create the repository where there is none, and commit the folder."""
    from huggingface_hub import constants

    try:
        repo_id = wait_for(
            lambda: hub.create_repo(repo_id, private=private, exist_ok=True).repo_id, PATIENCE, "the Hub"
        )
        done = hub.upload_folder(
            folder_path=folder, repo_id=repo_id, revision=branch, ignore_patterns=list(LEFT_OUT),
            commit_message=message or f"A merge by {recipe.merge_method}, made with nbmerge",
        )  # fmt: skip
        info = wait_for(lambda: hub.model_info(repo_id, revision=branch), PATIENCE, "the Hub")
    except NbmergeError:
        raise
    except Exception as error:  # of huggingface_hub and the library below it
        raise _refused(error, repo_id, constants.ENDPOINT) from error
    return Published(f"{hub.endpoint}/{repo_id}", repo_id, getattr(done, "oid", None) or info.sha, bool(info.private))


def local_models(recipe: Recipe) -> dict[str, str]:
    """Folders of this machine that a recipe names, with the name that card and recipe have for them on the Hub."""
    return public_names(recipe)


@contextmanager
def public_copy(folder: Path, recipe: Recipe) -> Iterator[Path]:
    """Give the folder to upload: the merge itself, or links to it beside a card and a recipe without paths of this machine."""
    names = public_names(recipe)
    if not names:
        yield folder
        return
    public = with_names(recipe, names)
    with tempfile.TemporaryDirectory(prefix="nbmerge-publish-") as beside:
        for file in (f for f in folder.rglob("*") if f.is_file()):
            link = Path(beside, file.relative_to(folder))
            link.parent.mkdir(parents=True, exist_ok=True)
            if file.relative_to(folder).as_posix() not in ("README.md", RECIPE_FILE, MANIFEST):
                link.symlink_to(file)
        for name in ("README.md", MANIFEST):
            text = replace_names(read_model_text(folder / name), names)
            Path(beside, name).write_text(text.replace(recipe.fingerprint, public.fingerprint), encoding="utf-8")
        Path(beside, RECIPE_FILE).write_text(public.to_yaml(), encoding="utf-8")
        yield Path(beside)


def _complete(folder: Path) -> Recipe:
    """The recipe of a merged folder that is complete and sound."""
    if not folder.is_dir():
        raise CheckpointError(f"{folder} is not a folder. Publish what nbmerge.merge wrote.")
    if lacking := [n for n in NEEDED if not (folder / n).is_file()]:
        raise CheckpointError(
            f"{folder} is not a complete merge: it lacks {', '.join(lacking)}. Publish a folder that nbmerge.merge wrote; "
            "other folders are uploaded with: hf upload"
        )
    from nbmerge.engine.verify import verify

    found = verify(folder)
    if not found.ok:
        raise CheckpointError(
            f"{folder} is damaged: {', '.join(found.damaged[:4])} ({len(found.damaged)} tensors) is not what was written. "
            "Merge again with overwrite=True (--overwrite)."
        )
    return Recipe.load(folder / RECIPE_FILE)


def _refused(error: BaseException, repo_id: str, endpoint: str) -> OutputError:
    while getattr(error, "response", None) is None and error.__cause__ is not None:
        error = error.__cause__  # an upload that fails says so of the file, and why below
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status == 401 or type(error).__name__ == "LocalTokenNotFoundError":
        what = f"{endpoint} does not know you: {LOG_IN} with a token that may write."
    elif status in (403, 404):
        what = f"{endpoint} does not let you write to '{repo_id}' (status {status}). Choose your own name, or {LOG_IN}."
    elif status is not None:
        what = f"{endpoint} answered the upload of '{repo_id}' with status {status} ({reason(error)})."
    else:
        what = f"{endpoint} cannot be reached to upload '{repo_id}' ({type(error).__name__}: {reason(error)})."
    return OutputError(f"{what} The folder is untouched; run it again to go on.")
