"""The documentation: its links, subcommands, parameters and files exist, and the code contains the quoted messages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import click
import pytest
from required import ROOT

from taihri_ros.cli.main import taihri
from taihri_ros.node.parameters import declarations

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
ROOMS = (
    "camera",
    "commands",
    "model",
    "inference",
    "pipeline",
    "body",
    "node",
    "voice",
    "synthetic",
    "training",
    "evaluation",
    "viewer",
    "demo",
    "cli",
)


def page_ids(page: Path) -> str:
    return str(page.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub generates from a page's headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=page_ids)
def test_the_target_of_every_link_exists(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path) if path else page
        assert linked.exists(), f"{target} does not exist"
        assert not anchor or anchor in anchors(linked), f"{target}: there is no such heading"


@pytest.mark.parametrize("page", PAGES, ids=page_ids)
def test_every_subcommand_exists(page: Path) -> None:
    for name in re.findall(r"(?:^|`|/)taihri ([a-z]+)", page.read_text(encoding="utf-8"), re.MULTILINE):
        assert taihri.get_command(None, name) is not None, f"taihri {name}"  # type: ignore[arg-type]


def options(command: click.Command) -> set[str]:
    return {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}


@pytest.mark.parametrize("page", PAGES, ids=page_ids)
def test_every_option_of_a_subcommand_exists(page: Path) -> None:
    one_line = page.read_text(encoding="utf-8").replace("\\\n", " ")
    for name, rest in re.findall(r"(?:^|`|/)taihri ([a-z]+)([^`\n|#&;]*)", one_line, re.MULTILINE):
        command = taihri.get_command(None, name)  # type: ignore[arg-type]
        following, group = rest.split(), command
        if isinstance(group, click.Group) and following and following[0] in group.commands:
            command = group.commands[following[0]]
        assert command is not None
        named = {word.partition("=")[0] for word in following if word.startswith("--")}
        assert named - options(command) - {"--help"} == set(), f"taihri {name}"


@pytest.mark.parametrize("page", PAGES, ids=page_ids)
def test_every_launch_argument_module_file_and_make_target_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    launch = (ROOT / "launch" / "taihri.launch.py").read_text(encoding="utf-8")
    launched = re.findall(r"taihri\.launch\.py([^`\n]*)", text.replace("\\\n", " "))
    arguments = {name for line in launched for name in re.findall(r"([a-z_]+):=", line)}
    assert {name for name in arguments if f'"{name}"' not in launch} == set(), "arguments of the launch file"
    modules = set(re.findall(r"python3? -m (taihri_ros[\w.]*)", text))
    places = {name: ROOT.joinpath(*name.split(".")) for name in modules}
    assert {name for name, at in places.items() if not (at.is_dir() or at.with_suffix(".py").exists())} == set()
    folders = "action|config|docs|examples|launch|msg|rviz|scripts|srv|taihri_ros|test"
    files = set(re.findall(rf"`((?:{folders})/[\w./-]+)`", text))
    assert {name for name in files if not (ROOT / name).exists()} == set()
    targets = set(re.findall(r"(?:^|`)make ([a-z][a-z-]*)", text, re.MULTILINE))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert {name for name in targets if not re.search(rf"^{name}:", makefile, re.MULTILINE)} == set()


@pytest.mark.parametrize("page", PAGES, ids=page_ids)
def test_every_dotted_parameter_exists(page: Path) -> None:
    known = {declaration.name for declaration in declarations()}
    groups = {name.partition(".")[0] for name in known if "." in name}
    named = re.findall(rf"`((?:{'|'.join(groups)})\.[a-z_]+)`", page.read_text(encoding="utf-8"))
    assert {name for name in named if not name.endswith((".py", ".glb"))} <= known


def test_every_file_of_the_architecture_exists() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    files = re.findall(rf"\b((?:{'|'.join(ROOMS)})/[\w/]+\.py)", text)
    assert len(files) > 40
    for room in (folder.name for folder in (ROOT / "taihri_ros").iterdir() if (folder / "__init__.py").exists()):
        assert room in ROOMS, f"{room} is a room that this test does not know"
        assert f"`{room}/`" in text, f"{room} is not in the table of rooms"
    assert [file for file in files if not (ROOT / "taihri_ros" / file).is_file()] == []


def maps() -> dict[Path, set[str]]:
    """Return the names in the docstring of each folder that says what its files are for."""
    found = {}
    for file in sorted((ROOT / "taihri_ros").rglob("__init__.py")):
        named = set(re.findall(r"`(\w+)`", ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""))
        if len([name for name in named if (file.parent / f"{name}.py").exists()]) > 2:
            found[file.parent] = named
    return found


def test_every_folder_of_several_files_has_a_map() -> None:
    folders = {file.parent for file in (ROOT / "taihri_ros").glob("*/**/__init__.py")}
    several = {folder for folder in folders if len(list(folder.glob("*.py"))) > 3}
    assert len(several) > 30
    assert several - maps().keys() == set()


@pytest.mark.parametrize("folder", maps(), ids=page_ids)
def test_the_map_of_a_folder_names_each_of_its_files(folder: Path) -> None:
    files = {file.stem for file in folder.glob("*.py")} - {"__init__", "__main__"}
    folders = {inner.parent.name for inner in folder.glob("*/__init__.py")}
    assert (files | folders) - maps()[folder] == set(), (
        f"say in the docstring of {folder}/__init__.py what they are for"
    )


@pytest.mark.parametrize("page", [*PAGES, ROOT / "examples" / "localizer.ipynb"], ids=page_ids)
def test_the_package_is_installed_from_the_repository_because_no_index_has_it(page: Path) -> None:
    without_messages = re.sub(r"```text\n.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert re.findall(r"pip install [^`\n]*taihri_ros\b", without_messages) == []


def test_no_error_message_installs_the_package_from_an_index() -> None:
    advised = re.compile(r"pip install [^`]*taihri_ros\b(?!\.)")
    assert [text for text in code_texts() if advised.search(text)] == [], "use errors.install_extra"


def test_the_readme_has_at_most_200_lines() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 200


def texts(tree: ast.AST) -> Iterator[str]:
    """Yield the string constants of a module; a placeholder of an f-string becomes `…`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield re.sub(r"%[-.\d]*[a-z]", "…", node.value)


@lru_cache
def code_texts() -> tuple[str, ...]:
    """Return the string constants of the package and of the launch file, with single spaces."""
    sources = [*(ROOT / "taihri_ros").rglob("*.py"), ROOT / "launch" / "taihri.launch.py"]
    trees = [ast.parse(source.read_text(encoding="utf-8")) for source in sources]
    return tuple(" ".join(text.split()) for tree in trees for text in texts(tree))


def quoted_messages() -> list[str]:
    """Return the messages of the troubleshooting page, one for each of its entries."""
    text = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    return [" ".join(message.split()) for message in re.findall(r"```text\n(.*?)```", text, re.DOTALL)]


def test_the_troubleshooting_page_has_at_least_twenty_entries() -> None:
    assert len(quoted_messages()) >= 20


@pytest.mark.parametrize("message", quoted_messages())
def test_every_quoted_message_is_in_the_code(message: str) -> None:
    pattern = re.compile(".*".join(re.escape(piece.strip()) for piece in message.split("…")))
    assert pattern.search("nothing of the kind") is None, "a message must be more than placeholders"
    assert any(map(pattern.search, code_texts())), f"no text in the code contains {message!r}"
