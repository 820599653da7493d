"""What the model is told: the official wording for named joints, the user's own words otherwise."""

from __future__ import annotations

from dataclasses import dataclass

from taihri_ros.commands.command import Command
from taihri_ros.model.spec import ModelSpec


@dataclass(frozen=True)
class Prompt:
    """The two messages around the image.

    Attributes:
        system: The system message.
        user: The text that follows the image in the user message.
    """

    system: str
    user: str


def make_prompt(command: Command, spec: ModelSpec) -> Prompt:
    """Put a command to the model in the checkpoint's wording.

    Args:
        command: Named joints, or free words.
        spec: The checkpoint's wording.

    Returns:
        The prompt.
    """
    if command.joints:
        return Prompt(spec.system_prompt, spec.named_prompt.replace("{joints}", ", ".join(command.joints)))
    return Prompt(spec.system_prompt, spec.free_prompt.replace("{command}", command.text))
