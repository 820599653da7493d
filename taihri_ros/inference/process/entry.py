"""The first module of an engine process: it checks the interpreter before it imports the program."""

import platform
import sys

from taihri_ros.inference.process.exit_status import FIRST_LINE, end_permanently, install_hint


def main() -> None:
    """Serve an engine with the options of `program.main`.

    Raises:
        SystemExit: Always; with `EXIT_PERMANENT` if this interpreter cannot run the engine.
    """
    version = platform.python_version()
    kinds = [each.partition("=")[2] for each in sys.argv if each.startswith("--kind=")]
    hint = install_hint(kinds[0] if kinds else "vllm")
    sys.stderr.write(f"{FIRST_LINE} on Python {version}\n")
    if sys.version_info < (3, 10):  # noqa: UP036 - any interpreter may be named in engine.python
        end_permanently(f"{sys.executable} is Python {version}, but the engine needs 3.10 or newer; {hint}")
    try:
        from taihri_ros.inference.process import program
    except ImportError as error:
        end_permanently(
            f"the engine's Python interpreter {sys.executable} lacks a module; {hint}; {type(error).__name__}: {error}"
        )
    program.main(prog_name="engine")


if __name__ == "__main__":
    main()
