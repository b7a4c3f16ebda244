"""A Jupyter server on loopback, with nothing of its user's own settings."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# A fresh machine needs long for the first page of JupyterLab.
PATIENCE = 90_000


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder with JupyterLab and formgrader; gives the address of a page, with `{page}` in it."""
    token = secrets.token_hex(16)
    command = [
        str(Path(sys.executable).with_name("jupyter-lab")),
        "--no-browser",
        "--allow-root",
        "--ServerApp.ip=127.0.0.1",
        "--ServerApp.port=0",
        f"--IdentityProvider.token={token}",
        "--LabApp.news_url=",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        f"--ServerApp.root_dir={folder}",
    ]
    environment = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(folder / ".config"),
        "JUPYTER_RUNTIME_DIR": str(folder / ".run"),
    }
    with subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True) as server:
        try:
            address = next(
                line.split("http://", 1)[1].split("/", 1)[0] for line in server.stderr if "http://127.0.0.1" in line
            )
            yield f"http://{address}/{{page}}?token={token}"
        finally:
            server.terminate()
            server.communicate(timeout=30)
