"""A hash that tells one model directory's weights from another's."""

from __future__ import annotations

import hashlib
from pathlib import Path


def content_of(directory: Path) -> str:
    """16 hex digits of a hash over the directory's safetensors and (adapter) configuration."""
    digest = hashlib.blake2b(digest_size=8)
    described = (directory / name for name in ("config.json", "adapter_config.json"))
    files = [*directory.glob("*.safetensors"), *filter(Path.is_file, described)]
    for file in sorted(files):
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "blake2b").digest())
    return digest.hexdigest()
