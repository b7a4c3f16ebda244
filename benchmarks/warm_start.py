"""
Run a command of `autograder` in a process whose fork server is ready, and say when it is.

    python -m benchmarks.warm_start --course build/sample grade 02_sigmoid_neuron
"""

from __future__ import annotations

from pathlib import Path

from autograder.course import load_course
from autograder.kernels.process import shared_server


def main() -> None:
    shared_server(load_course(Path(__file__).parents[1]).preload).wait_until_ready()
    print("ready", flush=True)
    from autograder import cli

    cli.main()


if __name__ == "__main__":
    main()
