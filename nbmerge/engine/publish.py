"""Upload a merged model to the Hub with its card, through huggingface_hub and its login."""

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
"""What a complete merged model has besides its weights."""
LEFT_OUT = (".*", "**/.*", "*.incomplete", "*.lock")
"""What is never uploaded."""
_ID = re.compile(r"([\w-][\w.-]*/)?[\w-][\w.-]*")


@dataclass(frozen=True)
class Published:
    """A model that was published.

    Parameters
    ----------
    url : str
        Its page on the Hub.
    repo_id, commit : str
        ``repo_id@commit`` refers to exactly these files in a recipe.
    private : bool
        Whether only you or your organisation can see it.
    """

    url: str
    repo_id: str
    commit: str
    private: bool

    def __repr__(self) -> str:
        return f"<Published {self.url} at {self.commit[:8]}, {'private' if self.private else 'public'}>"


def publish(
    folder: str | Path, repo_id: str, *, private: bool = True, message: str | None = None, branch: str | None = None
) -> Published:
    """Upload a merged model with its card.

    In the card and the recipe, local paths are replaced by Hub ids or folder names.

    Every tensor is first compared with the checksum that was recorded when it was written. A model that already exists gets a
    new commit and keeps its visibility.

    Parameters
    ----------
    folder : path
        A folder that `nbmerge.merge` wrote.
    repo_id : str
        ``you/name``, or a name alone for your own account.
    private : bool
        Whether a new model is private. You can make it public on its page later.
    message : str, optional
        Commit message.
    branch : str, optional
        Default ``main``; any other branch must exist.

    Raises
    ------
    CheckpointError
        When the folder is not a complete merged model, or is damaged. Nothing is created on the Hub.
    OutputError
        When the Hub rejects the upload: no login, no permission, no network. Run again to resume.
    """
    folder = absolute(folder)
    recipe = _complete(folder)
    if not isinstance(repo_id, str) or not _ID.fullmatch(repo_id):
        raise OutputError(f"{repo_id!r:.120} is not a Hub id. Use the form user/name, such as alice/my-merge.")
    from huggingface_hub import HfApi, constants

    if constants.HF_HUB_OFFLINE:
        raise OutputError("Uploads are disabled in offline mode. Unset HF_HUB_OFFLINE to publish.")
    hub = HfApi()
    with public_copy(folder, recipe) as shared:
        return _upload(hub, shared, recipe, repo_id, private, message, branch)


def _upload(
    hub: HfApi, folder: Path, recipe: Recipe, repo_id: str, private: bool, message: str | None, branch: str | None
) -> Published:
    """Create the repository if needed, and commit the folder."""
    from huggingface_hub import constants

    try:
        repo_id = wait_for(
            lambda: hub.create_repo(repo_id, private=private, exist_ok=True).repo_id, PATIENCE, "waiting for the Hub"
        )
        commit = hub.upload_folder(
            folder_path=folder, repo_id=repo_id, revision=branch, ignore_patterns=list(LEFT_OUT),
            commit_message=message or f"Upload a {recipe.merge_method} merge made with nbmerge",
        )  # fmt: skip
        info = wait_for(lambda: hub.model_info(repo_id, revision=branch), PATIENCE, "waiting for the Hub")
    except NbmergeError:
        raise
    except Exception as error:  # of huggingface_hub and the library below it
        raise _refused(error, repo_id, constants.ENDPOINT) from error
    return Published(
        f"{hub.endpoint}/{repo_id}", repo_id, getattr(commit, "oid", None) or str(info.sha), bool(info.private)
    )


def local_models(recipe: Recipe) -> dict[str, str]:
    """Local folders in a recipe, with the names that replace them in the published card and recipe."""
    return public_names(recipe)


@contextmanager
def public_copy(folder: Path, recipe: Recipe) -> Iterator[Path]:
    """Yield the folder to upload: the merged model, or links to its files with a card and a recipe without local paths."""
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
    """Load the recipe of a merged model, after checking that the folder is complete and undamaged."""
    if not folder.is_dir():
        raise CheckpointError(f"{folder} is not a folder. Pass the folder of a merged model.")
    if missing := [n for n in NEEDED if not (folder / n).is_file()]:
        raise CheckpointError(
            f"{folder} is not a complete merged model: it has no {', '.join(missing)}. Only folders that nbmerge wrote can be "
            "published; upload other folders with: hf upload"
        )
    from nbmerge.engine.verify import verify

    verification = verify(folder)
    if not verification.ok:
        raise CheckpointError(
            f"{folder} is damaged: {len(verification.damaged)} tensors do not match their checksums "
            f"({', '.join(verification.damaged[:4])}). Merge again with overwrite=True (--overwrite)."
        )
    return Recipe.load(folder / RECIPE_FILE)


def _refused(error: BaseException, repo_id: str, endpoint: str) -> OutputError:
    while getattr(error, "response", None) is None and error.__cause__ is not None:
        error = error.__cause__  # the reason is in the cause
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status == 401 or type(error).__name__ == "LocalTokenNotFoundError":
        what = f"you are not logged in to {endpoint}: {LOG_IN} with a token that has write access."
    elif status in (403, 404):
        what = f"you do not have write access to '{repo_id}' on {endpoint} (status {status}). Use your own account, or {LOG_IN}."
    elif status is not None:
        what = f"the upload of '{repo_id}' to {endpoint} failed with status {status} ({reason(error)})."
    else:
        what = f"cannot connect to {endpoint} to upload '{repo_id}' ({type(error).__name__}: {reason(error)})."
    return OutputError(f"{what} The folder was not changed. Run again to resume.")
