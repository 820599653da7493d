"""The table of docs/checkpoints.md, made from the tests' own list of forms: `python test/checkpoints_page.py`.

The forms are read from the source of test/inference/checkpoint_variants.py, so that the page is the same in every
environment. Each of them is loaded in vLLM and in transformers by test/inference/inprocess/test_checkpoint_forms.py.
"""

from __future__ import annotations

import ast
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "checkpoints.md"
BEGIN, END = "<!-- forms -->\n", "<!-- end of forms -->\n"


def forms() -> list[str]:
    """Return the names of all forms, in the order of the source."""
    tree = ast.parse((TESTS / "inference" / "checkpoint_variants.py").read_text(encoding="utf-8"))
    (table,) = (
        node.value for node in tree.body if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "VARIANTS"
    )
    assert isinstance(table, ast.Dict)
    return [ast.literal_eval(key) for key in table.keys if key is not None]


def table() -> str:
    """Return the table of the forms as Markdown."""
    rows = [f"| {form} | yes | yes | identical |" for form in forms()]
    return "\n".join(["| form | vLLM | transformers | answers |", "| -- | -- | -- | -- |", *rows, ""])


def page(text: str) -> str:
    """Return the page with a current table."""
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + "\n" + table() + "\n" + END + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
