"""The only module that lets transformers load models and tokenizers: from local folders, without running code of a model.

A model folder can ask for code in several ways; all are refused here, for the whole package (``tests/test_foreign_code.py``):
its own Python files (``auto_map``), pickled weights, a base model to be downloaded, and kernels from the Hub for
attention or experts, which some versions of transformers download and run because a config names them.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbmerge.checkpoints import Checkpoint
from nbmerge.checkpoints.declared import building, check_declared
from nbmerge.checkpoints.implementations import NEEDED_PACKAGES, is_foreign, list_implementations
from nbmerge.engine.loading.quiet_transformers import hide_progress_bars
from nbmerge.engine.loading.settings_files import check_settings_files
from nbmerge.errors import CheckpointError, SampleError
from nbmerge.guarded_files import check_model_folder, read_model_json
from nbmerge.imports import import_lock
from nbmerge.quoting import quote
from nbmerge.tokenizers import read_document

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

_SAFE: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}


def load_model(folder: Path) -> tuple[PreTrainedModel, list[str]]:
    """A causal language model from a folder's safetensors, in the dtype they are stored in.

    Returns
    -------
    model : PreTrainedModel
    missing : list of str
        Tensors that the folder does not have and that transformers initialised.

    Raises
    ------
    SampleError
        When transformers cannot load it, or the folder refers to code or to files elsewhere.
    """
    with import_lock():
        from transformers import AutoModelForCausalLM

    _check_folder(folder)
    try:
        stored = Checkpoint.open(folder)
        check_declared(folder, stored.config, stored.tensors)
        with hide_progress_bars(), building(len(stored.tensors), stored.parameters):
            model, info = load_with_report(AutoModelForCausalLM, folder, use_safetensors=True, dtype="auto", **_SAFE)
    except CheckpointError as error:
        raise SampleError(f"{folder} cannot be loaded: {error}") from error
    except Exception as error:  # transformers raises anything from KeyError to ImportError
        raise SampleError(
            f"transformers cannot load {folder}: {type(error).__name__}: {quote(str(error), 400)}"
        ) from error
    return model, sorted(info["missing_keys"])


def build_model(config: Mapping[str, Any], weights: Mapping[str, torch.Tensor]) -> tuple[PreTrainedModel, list[str]]:
    """A model around tensors in memory, built by transformers' own loading code.

    Returns
    -------
    model : PreTrainedModel
    missing : list of str
        Tensors that are not among `weights` and that transformers initialised.

    Raises
    ------
    SampleError
        When the config asks for code.
    Exception
        Whatever transformers raises for an architecture that it does not know.
    """
    own = build_config(config)
    try:
        check_declared(Path("this merge"), config, weights)
    except CheckpointError as error:
        raise SampleError(str(error)) from error
    named = config.get("architectures")
    with import_lock():
        import transformers

        cls = getattr(transformers, str(named[0]) if isinstance(named, list) and named else "", None)
        if not (isinstance(cls, type) and issubclass(cls, transformers.PreTrainedModel)):
            cls = transformers.MODEL_FOR_CAUSAL_LM_MAPPING[type(own)]
    with hide_progress_bars(), building(len(weights), sum(w.numel() for w in weights.values())):
        model, info = load_with_report(
            cls, None, config=own, state_dict=dict(weights), dtype=own.dtype, local_files_only=True
        )
    return model, sorted(info["missing_keys"])


def load_with_report(cls: Any, folder: Path | None, **options: Any) -> tuple[PreTrainedModel, dict[str, Any]]:
    """A model, and what transformers reports of loading it; `cls` is one of transformers' classes.

    ``from_pretrained`` returns this pair where ``output_loading_info`` is set, but is declared to return a model.
    """
    return cls.from_pretrained(folder, output_loading_info=True, **options)


def build_config(config: Mapping[str, Any]) -> PretrainedConfig:
    """Transformers' own config object for the contents of a config.json.

    Raises
    ------
    SampleError
        When the config asks for code.
    Exception
        Whatever transformers raises for a config that it does not understand.
    """
    with import_lock():
        from transformers import AutoConfig

    refuse_foreign_code("The config of this merge", config)
    return AutoConfig.for_model(**{k: _decoded(v) for k, v in config.items() if k != "auto_map"})


def _decoded(value: Any) -> Any:
    """A value with numbers that JSON cannot represent, which transformers 5 writes as ``{"__float__": "Infinity"}``."""
    if isinstance(value, Mapping):
        if set(value) == {"__float__"} and isinstance(value["__float__"], str):
            return float(value["__float__"])
        return {k: _decoded(v) for k, v in value.items()}
    return [_decoded(v) for v in value] if isinstance(value, list) else value


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a folder.

    Raises
    ------
    SampleError
        When transformers cannot load it, or the folder refers to code or to files elsewhere.
    """
    with import_lock():
        from transformers import AutoTokenizer

    _check_folder(folder)
    try:
        read_document(folder)
        return AutoTokenizer.from_pretrained(folder, **_SAFE)
    except Exception as error:  # a damaged tokenizer can raise anything
        what = f"The tokenizer of {folder} is missing or damaged: {type(error).__name__}: {quote(str(error), 400)}"
        raise SampleError(f"{what} Copy tokenizer.json and tokenizer_config.json from its parent.") from error


def refuse_foreign_code(where: str, config: Mapping[str, Any]) -> None:
    """Refuse a config that names code which is neither part of transformers nor installed.

    Raises
    ------
    SampleError
        With the entry and a fix.
    """
    for key, value in list_implementations(config):
        if is_foreign(value):
            raise SampleError(
                f"{where} asks for foreign code: {key} is {value!r:.120}. Remove the entry to use transformers' own code."
            )
        package = NEEDED_PACKAGES.get(value) if isinstance(value, str) else None
        if package is not None and find_spec(package) is None:
            raise SampleError(
                f"{where} asks for {value!r}, which needs the package {package}. Install it, or remove {key}."
            )


def _check_folder(folder: Path) -> None:
    """Refuse a folder with a file from outside or a file that is too large, and a config that asks for code."""
    try:
        check_model_folder(folder)
        check_settings_files(folder)
        for name in ("config.json", "tokenizer_config.json"):
            if (folder / name).exists():
                refuse_foreign_code(str(folder / name), read_model_json(folder / name))
    except CheckpointError as error:
        raise SampleError(str(error)) from error
