"""What the Hub, the network and huggingface_hub answer, in words that say what to do.

No message holds an address with a signature, a header or a token: they are made of the id, the revision, the endpoint
and the status alone.
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
    """The error of ours for one that came up while a model was looked up or read."""
    from huggingface_hub import constants, errors

    hub, here = constants.ENDPOINT, file or f"'{repo_id}'"
    status = getattr(error, "status", getattr(getattr(error, "response", None), "status_code", None))
    code = getattr(error, "code", "") if status in (401, 403, 404) else ""
    if status == 401 and not code:
        code = "RepoNotFound"  # so the Hub hides what somebody may not see
    if isinstance(error, errors.GatedRepoError) or code == "GatedRepo":
        what = f"'{repo_id}' is gated. Accept its licence at {hub}/{repo_id} and {LOG_IN} with that account."
    elif isinstance(error, errors.RevisionNotFoundError) or code == "RevisionNotFound":
        what = f"'{repo_id}' has no revision '{revision or 'main'}'. Those it has: {hub}/{repo_id}/commits/main"
    elif isinstance(error, errors.RepositoryNotFoundError) or code == "RepoNotFound":
        what = (
            f"'{repo_id}' is neither a folder here nor a model that {hub} shows you. "
            f"Check the name; if it is private, {LOG_IN}.{folder_alike(repo_id)}"
        )
    elif status is not None and (isinstance(error, errors.EntryNotFoundError) or code == "EntryNotFound"):
        what = f"'{repo_id}' no longer has {file or 'this file'} at {revision or 'this revision'}; it was removed from the Hub."
    elif status in (401, 403):
        what = f"{hub} does not let you read {here} (status {status}): {LOG_IN} with an account that may."
    elif status is not None:
        what = f"{hub} answered {here} with status {status}. Try again later; downloads go on where they stopped."
    else:
        # A misspelt or moved folder looks like a Hub id, and is by far the likelier mistake.
        what = f"{hub} cannot be reached for {here} ({type(error).__name__}: {reason(error)})."
        if file is None:
            what = f"there is no folder '{repo_id}' in {os.getcwd()}, and {what}{folder_alike(repo_id)}"
        what = f"{what} {more or in_cache()}"
    return CheckpointError(what)


def offline(repo_id: str, revision: str | None) -> CheckpointError:
    """For a model that is not here while nothing may be asked."""
    at = f" --revision {revision}" if revision else ""
    return CheckpointError(
        f"'{repo_id}{f'@{revision}' if revision else ''}' is neither a folder here nor a model in the local Hugging Face "
        f"cache, and offline mode (HF_HUB_OFFLINE) forbids asking the Hub. {in_cache()} Check the path, or fetch it "
        f"where there is a network: hf download {repo_id}{at}"
    )


def folder_alike(name: str) -> str:
    """A sentence about the folder that may have been meant, or nothing."""
    there = Path(name).parent
    try:
        names = [p.name for p in islice(there.iterdir(), 1000) if p.is_dir() and not p.name.startswith(".")]
    except OSError:
        return ""
    close = difflib.get_close_matches(Path(name).name, names, n=1)
    return f" There is a folder '{there / close[0]}'." if close else ""


def reason(error: BaseException) -> str:
    """The first line of an error's text, short, without web addresses."""
    from huggingface_hub import get_token

    text = str(error)
    if token := get_token():  # an answer that cannot be read is quoted, and may hold what was sent
        text = text.replace(token, "***")
    text = " ".join(word for word in text.split() if "://" not in word)
    return text[:160] or "no reason given"


def in_cache() -> str:
    """What could be used without a network."""
    from huggingface_hub import constants

    from nbmerge.checkpoints.hub_cache import cached_models

    models = cached_models()
    more = f" and {len(models) - 6} more" if len(models) > 6 else ""
    held = f"holds {', '.join(models[:6])}{more}" if models else "holds no model"
    return f"The local cache ({constants.HF_HUB_CACHE}) {held}."
