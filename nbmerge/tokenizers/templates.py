"""Chat templates that recipes refer to by name, as in mergekit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

_EACH = "{% for message in messages %}"
_END = "{% endfor %}"
NAMED = {
    "chatml": _EACH + "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}" + _END
    + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    "alpaca": _EACH
    + "{% if message['role'] == 'system' %}{{ message['content'] + '\\n\\n' }}"
    "{% elif message['role'] == 'user' %}{{ '### Instruction:\\n' + message['content'] + '\\n\\n' }}"
    "{% else %}{{ '### Response:\\n' + message['content'] + eos_token + '\\n\\n' }}{% endif %}" + _END
    + "{% if add_generation_prompt %}{{ '### Response:\\n' }}{% endif %}",
    "llama3": "{{ bos_token }}" + _EACH
    + "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}" + _END
    + "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}",
    "mistral": "{{ bos_token }}" + _EACH
    + "{% if message['role'] == 'assistant' %}{{ ' ' + message['content'] + eos_token }}"
    "{% else %}{{ '[INST] ' + message['content'] + ' [/INST]' }}{% endif %}" + _END,
    "exaone": _EACH
    + "{{ '[|' + message['role'] + '|]' + message['content'] }}"
    "{% if message['role'] == 'user' %}{{ '\\n' }}{% else %}{{ '[|endofturn|]\\n' }}{% endif %}" + _END
    + "{% if add_generation_prompt %}{{ '[|assistant|]' }}{% endif %}",
}  # fmt: skip
"""Jinja texts by name."""


def chosen(wish: str, templates: Sequence[str | None]) -> str | None:
    """The template that a recipe selects, None if the name is unknown.

    Parameters
    ----------
    wish : str
        "auto" for the one that most models have (of equals the first), a name of `NAMED`, or a Jinja text.
    templates : sequence of str or None
        Those of the models, in the order of the recipe.
    """
    if wish == "auto":
        counts = Counter(t for t in templates if t)
        return counts.most_common(1)[0][0] if counts else ""
    return wish if "{" in wish else NAMED.get(wish)
