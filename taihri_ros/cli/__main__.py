"""Entry point of `python -m taihri_ros.cli`, the same as the `taihri` command."""

from taihri_ros.cli.main import main

if __name__ == "__main__":
    main()
