"""Pretrained weights of the libraries' own hubs: their addresses, and one download."""

import re
import sys
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlparse

import torch

from osarbench.errors import OsarbenchError


def download(url: str, folder: Path) -> Path:
    """Download a file into a folder, unless it is there, and return it; a hash in its name is checked.

    Hugging Face names all files alike (timm/NAME/resolve/main/model.safetensors): they get a folder of that NAME.

    Raises:
        OsarbenchError: it cannot be had; the message says where to put it by hand.
    """
    path = Path(urlparse(url).path)
    file = folder / (path.parts[-4] if "/resolve/" in url else "") / path.name
    if file.is_file():
        return file
    file.parent.mkdir(parents=True, exist_ok=True)
    named_hash = re.search(r"-([a-f0-9]{8,})\.", file.name)
    try:
        torch.hub.download_url_to_file(
            url, str(file), hash_prefix=named_hash[1] if named_hash else None, progress=sys.stderr.isatty()
        )
    except (URLError, OSError, RuntimeError) as error:
        raise OsarbenchError(
            f"{url} cannot be downloaded ({error}). Where there is a network, download it, and put it here as {file}; "
            "or say where it is with --weights FILE."
        ) from error
    return file


def torchvision_url(name: str, weights: str = "IMAGENET1K_V1") -> str | None:
    """Return the address of published weights of torchvision's network, None if there are none."""
    from torchvision.models import get_model_weights

    try:
        return str(get_model_weights(name)[weights].url)
    except (KeyError, ValueError):
        return None


def trunk_url(trunk: str, source: str) -> str | None:
    """Return the address of a library's ImageNet weights of a trunk ("resnet50", "timm:NAME"), None if it has none."""
    if trunk.startswith("timm:"):
        return timm_url(trunk.removeprefix("timm:")) if source == "timm" else None
    return torchvision_url(trunk) if source == "torchvision" else None


def timm_url(name: str) -> str | None:
    """Return the address of the default weights of timm's network, None if there are none."""
    import timm
    from huggingface_hub import hf_hub_url

    settings = timm.get_pretrained_cfg(name)
    if settings is None or not settings.has_weights:
        return None
    if settings.hf_hub_id:
        return str(hf_hub_url(settings.hf_hub_id, settings.hf_hub_filename or "model.safetensors"))
    return settings.url if isinstance(settings.url, str) else None
