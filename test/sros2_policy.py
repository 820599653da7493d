"""The SROS 2 policy config/sros2/policy.xml, with names as sros2 expands them."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from xml.etree import ElementTree

POLICY = Path(__file__).resolve().parents[1] / "config" / "sros2" / "policy.xml"


class Policy:
    """What the policy allows the node.

    Attributes:
        allowed: Absolute names, `*` for any characters, by rule: `publish`, `subscribe`, `reply` and `execute`.
    """

    def __init__(self, path: Path = POLICY) -> None:
        (profile,) = ElementTree.parse(path).getroot().iter("profile")
        namespace, node = profile.attrib["ns"], profile.attrib["node"]
        self.allowed: dict[str, list[str]] = {}
        for group in profile:
            ((rule, verdict),) = group.attrib.items()
            assert verdict == "ALLOW", "nothing else needs to be denied"
            names = [expand((entry.text or "").strip(), namespace, node) for entry in group]
            self.allowed.setdefault(rule, []).extend(names)

    def allows(self, rule: str, name: str) -> bool:
        """Return whether an absolute name is allowed."""
        return any(fnmatchcase(name, pattern) for pattern in self.allowed.get(rule, ()))


def expand(name: str, namespace: str, node: str) -> str:
    """Return the absolute name of a relative or private one."""
    prefix = namespace.rstrip("/")
    if name.startswith("~"):
        return f"{prefix}/{node}{name[1:]}"
    return name if name.startswith("/") else f"{prefix}/{name}"
