"""Where a model lies: a directory, or a name of the hub, whose files are fetched first.

Everything else reads directories: this is the one place that speaks to the hub. It asks once, for
no longer than `PATIENCE` seconds, whether the hub knows the name; without an answer what was
fetched before is used, and where there is none the error says what to do. Only configurations,
tokenizers and weights in safetensors are fetched: no code, no pickles. Left out: revisions other
than the main one.
"""

from __future__ import annotations

import threading
from pathlib import Path

from selfplay.core.errors import ModelError
from selfplay.core.places import is_there

PATIENCE = 4.0
"""Seconds that the hub has to answer; resolving its name is included."""
WANTED = ("*.json", "*.safetensors", "*.jinja", "tokenizer*", "*.model", "*.txt", "*.jsonl")
UNWANTED = ("*.py", "*.bin", "*.pt", "*.pth", "*.pkl", "*.gguf", "original/*")


def located(path_or_name: str) -> Path:
    """The directory of a model.

    Args:
        path_or_name: a directory (`~` is the home directory), or a hub name such as
            `Qwen/Qwen3-0.6B`, whose files are fetched unless they are here already.

    Raises:
        ModelError: there is nothing there, or the hub cannot provide it; says what to do.
    """
    place = expanded(path_or_name)
    if is_there(place):
        return place
    if cannot_be_a_hub_name(path_or_name):
        raise ModelError(
            f"Expected a model directory or a hub name, found no directory at '{place}'. "
            "Check the path."
        )
    return _fetched(path_or_name)


def stored(path_or_name: str) -> str:
    """How a configuration keeps it: a directory as an absolute path, any other name as it is.

    A run may go on from another working directory, where a relative path would be another model.
    """
    place = expanded(path_or_name)
    is_place = (is_there(place) and place.is_dir()) or cannot_be_a_hub_name(path_or_name)
    return str(place.absolute()) if path_or_name and is_place else path_or_name


def model_name(path_or_name: str) -> str:
    """What it is called in lineage and reports: a directory by its last part."""
    place = expanded(path_or_name)
    return place.name if is_there(place) else path_or_name


def expanded(path_or_name: str) -> Path:
    """As a path, `~` being the home directory, where there is one of that name."""
    try:
        return Path(path_or_name).expanduser()
    except RuntimeError:  # a user that this machine does not know
        return Path(path_or_name)


def cannot_be_a_hub_name(name: str) -> bool:
    """Is it a path, which the hub need not be asked for?"""
    return name.startswith((".", "/", "~")) or name.count("/") > 1


def _fetched(name: str) -> Path:
    """The files of a hub model: fetched, or those of an earlier time where the hub is away."""
    from huggingface_hub import snapshot_download

    refusal = _refusal(name)
    try:
        found = snapshot_download(
            name,
            allow_patterns=list(WANTED),
            ignore_patterns=list(UNWANTED),
            local_files_only=refusal is not None,
        )
    # The hub's client passes on whatever its HTTP library and the disk raise.
    except Exception as error:
        raise ModelError(
            f"'{name}' is no local directory, and the hub could not provide its files: "
            f"{refusal or ' '.join(str(error).split())} Give the directory of a model that is "
            f"here already, or fetch it where there is a network (`hf download {name}`) and bring "
            "it here; check the name, and HF_TOKEN for a model that must be asked for."
        ) from error
    return Path(found)


def _refusal(name: str) -> str | None:
    """Why the hub does not provide the model, in its client's words; None where it does."""
    from huggingface_hub import HfApi

    answers: list[str | None] = []

    def ask() -> None:
        try:
            HfApi().model_info(name, timeout=PATIENCE)
        except Exception as error:  # noqa: BLE001 (as above)
            answers.append(" ".join(str(error).split()).rstrip(".") + ".")
        else:
            answers.append(None)

    # Resolving a name takes no time limit, so a thread that is not waited for any longer does it.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(PATIENCE)
    return answers[0] if answers else f"it did not answer within {PATIENCE:g} s."
