"""What is named after the node, so that several nodes in one ROS graph do not use the same names."""

from __future__ import annotations

from dataclasses import replace

from taihri_ros.node.parameters import Parameters
from taihri_ros.node.topics import NODE_NAME


def with_own_names(parameters: Parameters, full_name: str) -> Parameters:
    """Return the parameters with a TF prefix that no other node uses.

    Args:
        parameters: The parameters of the node.
        full_name: Namespace and name of the node, such as `/robot1/taihri`.

    Returns:
        The parameters. If the node is not `/taihri` and `tf_prefix` has its default, the prefix begins with the
        namespace and the name, such as `robot1/taihri/person/`.
    """
    default = Parameters().tf_prefix
    if full_name == f"/{NODE_NAME}" or parameters.tf_prefix != default:
        return parameters
    return replace(parameters, tf_prefix=f"{full_name.removeprefix('/')}/{default}")


def status_prefix(full_name: str) -> str:
    """Return the first part of the names of a node's statuses on /diagnostics: `robot1/taihri` for `/robot1/taihri`."""
    return full_name.removeprefix("/")


def hardware_id(full_name: str, engine_model: str) -> str:
    """Return the hardware id of a node's statuses on /diagnostics.

    Args:
        full_name: Namespace and name of the node.
        engine_model: The parameter engine.model; empty for the checkpoint of the package.

    Returns:
        The model, preceded by the name of the node unless it is `/taihri`. It is never empty.
    """
    model = engine_model or "the model of the package"
    return model if full_name == f"/{NODE_NAME}" else f"{status_prefix(full_name)}: {model}"
