"""Prompts for the model: the checkpoint's wording for named joints, the user's own words for a free command."""

from __future__ import annotations

from dataclasses import dataclass

from taihri_ros.commands.command import Command
from taihri_ros.model.spec import ModelSpec


@dataclass(frozen=True)
class Prompt:
    """The system message and the user message of a request.

    Attributes:
        system: The system message.
        user: The text that follows the image in the user message.
    """

    system: str
    user: str


def make_prompt(command: Command, spec: ModelSpec) -> Prompt:
    """Return the prompt for a command.

    Args:
        command: Command with named joints or in free words.
        spec: Specification of the checkpoint, with the wording of its prompts.

    Returns:
        The prompt.
    """
    if command.joints:
        return Prompt(spec.system_prompt, spec.named_prompt.replace("{joints}", ", ".join(command.joints)))
    return Prompt(spec.system_prompt, spec.free_prompt.replace("{command}", command.text))
