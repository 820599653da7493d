from __future__ import annotations

import pytest

from taihri_ros.node.dds_host import DdsError, Remap, node_identity, resolve


@pytest.mark.parametrize(
    ("name", "namespace", "expected"),
    [
        ("/camera/image_raw", "/robot", "/camera/image_raw"),
        ("image", "/", "/image"),
        ("image", "/robot", "/robot/image"),
        ("image/compressed", "/robot/left", "/robot/left/image/compressed"),
        ("~/command", "/", "/taihri/command"),
        ("~/command", "/robot", "/robot/taihri/command"),
        ("~", "/robot", "/robot/taihri"),
        ("_hidden/__x", "/", "/_hidden/__x"),
    ],
)
def test_names_are_expanded(name: str, namespace: str, expected: str) -> None:
    assert resolve(name, "taihri", namespace) == expected


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "a/",
        "//a",
        "a//b",
        "1a",
        "a/2b",
        "a b",
        "a-b",
        "é",
        "~x",
        "a/~",
        "a/~/b",
        "{node}/x",
        "a:=b",
        "a\n",
        "x" * 248,
    ],
)
def test_invalid_names_are_refused(name: str) -> None:
    with pytest.raises(DdsError, match="is not valid"):
        resolve(name, "taihri")


def test_the_longest_name_is_247_characters() -> None:
    assert len(resolve("x" * 246, "taihri")) == 247
    with pytest.raises(DdsError, match="248 characters"):
        resolve("x" * 247, "taihri")


@pytest.mark.parametrize(
    ("rules", "name", "expected"),
    [
        (["image:=/camera/image_raw"], "image", "/camera/image_raw"),
        (["image:=camera/image_raw"], "image", "/robot/camera/image_raw"),
        (["/robot/image:=/other"], "image", "/other"),
        (["~/command:=/say"], "~/command", "/say"),
        (["image:=~/image"], "image", "/robot/taihri/image"),
        (["image:=/first", "image:=/second"], "image", "/first"),
        (["image:=depth", "depth:=/never"], "image", "/robot/depth"),
        (["taihri:image:=/mine"], "image", "/mine"),
        (["other:image:=/theirs"], "image", "/robot/image"),
        (["__node:=x", "__ns:=/y"], "image", "/robot/image"),
    ],
)
def test_names_are_remapped(rules: list[str], name: str, expected: str) -> None:
    assert resolve(name, "taihri", "/robot", rules) == expected


@pytest.mark.parametrize("rule", ["", "image", ":=x", "image:=", ":image:=x", "image=x"])
def test_a_malformed_rule_is_refused(rule: str) -> None:
    with pytest.raises(DdsError, match="is not of the form"):
        Remap.parse(rule)


def test_a_rule_with_an_invalid_target_is_refused_where_it_applies() -> None:
    assert resolve("image", "taihri", remaps=["depth:=a b"]) == "/image"
    with pytest.raises(DdsError, match="'a b'"):
        resolve("depth", "taihri", remaps=["depth:=a b"])


@pytest.mark.parametrize(
    ("namespace", "rules", "expected"),
    [
        ("/", [], ("taihri", "/")),
        ("", [], ("taihri", "/")),
        ("robot", [], ("taihri", "/robot")),
        ("/robot/left", ["__node:=reach"], ("reach", "/robot/left")),
        ("/", ["__ns:=/robot"], ("taihri", "/robot")),
        ("/", ["taihri:__node:=reach", "other:__ns:=/no"], ("reach", "/")),
    ],
)
def test_node_name_and_namespace_are_remapped(namespace: str, rules: list[str], expected: tuple[str, str]) -> None:
    assert node_identity("taihri", namespace, rules) == expected


@pytest.mark.parametrize("name", ["", "a/b", "/a", "1a", "a b", "~", "x" * 256])
def test_invalid_node_names_are_refused(name: str) -> None:
    with pytest.raises(DdsError, match="node name"):
        node_identity(name)


@pytest.mark.parametrize("namespace", ["/a/", "//", "a//b", "/1", "~"])
def test_invalid_namespaces_are_refused(namespace: str) -> None:
    with pytest.raises(DdsError, match="namespace"):
        node_identity("taihri", namespace)
