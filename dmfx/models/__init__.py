"""What is simulated: frozen parameter objects that check themselves."""

from __future__ import annotations

import json
from collections.abc import Mapping

from dmfx.models.self_attention import SelfAttention

__all__ = ["SelfAttention", "model_from_json"]

_MODELS = {"SelfAttention": SelfAttention}


def model_from_json(text: str) -> SelfAttention:
    """Rebuild a model from the JSON that its ``to_json`` wrote.

    Raises
    ------
    ValueError
        If the text is not JSON, or names a model that this version does not know.
    """
    try:
        spec = json.loads(text)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the description of the model is not JSON: {error}") from error
    name = spec.get("model") if isinstance(spec, Mapping) else None
    if name not in _MODELS:
        raise ValueError(f"unknown model {name!r}: this version of dmfx knows {', '.join(_MODELS)}")
    return _MODELS[name].from_spec(spec)
