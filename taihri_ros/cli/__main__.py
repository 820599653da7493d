"""Lets `python -m taihri_ros.cli` run the `taihri` command."""

from taihri_ros.cli.main import main

if __name__ == "__main__":
    main()
