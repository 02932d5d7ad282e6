"""Error messages for failures of the Hub, the network and huggingface_hub.

No message contains a signed address, a header or a token: only the id, the revision, the endpoint and the status.
"""

from __future__ import annotations

import difflib
import os
from itertools import islice
from pathlib import Path

from nbmerge.errors import CheckpointError

LOG_IN = "log in with: hf auth login (or set HF_TOKEN)"


def refused(
    error: BaseException, repo_id: str, revision: str | None = None, file: str | None = None, more: str = ""
) -> CheckpointError:
    """Translate an error that occurred while a model was resolved or read."""
    from huggingface_hub import constants, errors

    hub, here = constants.ENDPOINT, file or f"'{repo_id}'"
    status = getattr(error, "status", getattr(getattr(error, "response", None), "status_code", None))
    code = getattr(error, "code", "") if status in (401, 403, 404) else ""
    if status == 401 and not code:
        code = "RepoNotFound"  # the Hub's response for repositories without access
    if isinstance(error, errors.GatedRepoError) or code == "GatedRepo":
        what = f"'{repo_id}' is gated. Accept its licence at {hub}/{repo_id} and {LOG_IN} with that account."
    elif isinstance(error, errors.RevisionNotFoundError) or code == "RevisionNotFound":
        what = f"'{repo_id}' has no revision '{revision or 'main'}'. See its revisions at {hub}/{repo_id}/commits/main"
    elif isinstance(error, errors.RepositoryNotFoundError) or code == "RepoNotFound":
        what = (
            f"'{repo_id}' is neither a local folder nor a model on {hub} that you can access. "
            f"Check the name; if it is private, {LOG_IN}.{folder_alike(repo_id)}"
        )
    elif status is not None and (isinstance(error, errors.EntryNotFoundError) or code == "EntryNotFound"):
        what = f"'{repo_id}' no longer has {file or 'this file'} at {revision or 'this revision'}: it was deleted from the Hub."
    elif status in (401, 403):
        what = f"you do not have access to {here} on {hub} (status {status}): {LOG_IN} with an account that does."
    elif status is not None:
        what = f"{hub} returned status {status} for {here}. Try again later; downloads are resumed."
    else:
        # A misspelt or moved folder looks like a Hub id, and is by far the more likely mistake.
        what = f"cannot connect to {hub} for {here} ({type(error).__name__}: {reason(error)})."
        if file is None:
            what = f"the folder '{repo_id}' does not exist in {os.getcwd()}, and nbmerge {what}{folder_alike(repo_id)}"
        what = f"{what} {more or in_cache()}"
    return CheckpointError(what)


def offline(repo_id: str, revision: str | None) -> CheckpointError:
    """The error for a model that is not cached, in offline mode."""
    at = f" --revision {revision}" if revision else ""
    return CheckpointError(
        f"'{repo_id}{f'@{revision}' if revision else ''}' is neither a local folder nor a model in the Hugging Face "
        f"cache, and offline mode (HF_HUB_OFFLINE) is on. {in_cache()} Check the path, or download it "
        f"while online: hf download {repo_id}{at}"
    )


def folder_alike(name: str) -> str:
    """A sentence that suggests a folder with a similar name, or nothing."""
    there = Path(name).parent
    try:
        names = [p.name for p in islice(there.iterdir(), 1000) if p.is_dir() and not p.name.startswith(".")]
    except OSError:
        return ""
    close = difflib.get_close_matches(Path(name).name, names, n=1)
    return f" Did you mean the folder '{there / close[0]}'?" if close else ""


def reason(error: BaseException) -> str:
    """The first line of an error's text, short, without web addresses."""
    from huggingface_hub import get_token

    text = str(error)
    if token := get_token():  # an invalid response is quoted, and may contain what was sent
        text = text.replace(token, "***")
    text = " ".join(word for word in text.split() if "://" not in word)
    return text[:160] or "no reason given"


def in_cache() -> str:
    """A sentence that lists the cached models."""
    from huggingface_hub import constants

    from nbmerge.checkpoints.hub_cache import cached_models

    models = cached_models()
    more = f" and {len(models) - 6} more" if len(models) > 6 else ""
    contents = f"contains {', '.join(models[:6])}{more}" if models else "is empty"
    return f"The local cache ({constants.HF_HUB_CACHE}) {contents}."
