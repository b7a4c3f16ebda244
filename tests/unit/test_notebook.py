from __future__ import annotations

import json
import os

import nbformat
import pytest

from autograder.notebook import NotebookError, cell_label, notebook_text, parse_notebook, read_notebook


def test_what_is_written_is_read_back(master, tmp_path):
    path = tmp_path / "a.ipynb"
    path.write_text(notebook_text(master), encoding="utf-8")

    assert read_notebook(path) == master


def test_the_text_is_the_one_that_nbformat_writes(master, tmp_path):
    nbformat.write(master, tmp_path / "a.ipynb")

    assert notebook_text(master) == (tmp_path / "a.ipynb").read_text(encoding="utf-8")


def test_a_notebook_without_cell_ids_is_read_as_it_stands(master):
    for cell in master.cells:
        del cell["id"]

    assert parse_notebook(notebook_text(master), name="a") == master


def test_a_byte_order_mark_does_no_harm(master, tmp_path):
    path = tmp_path / "a.ipynb"
    path.write_text(notebook_text(master), encoding="utf-8-sig")

    assert read_notebook(path) == master


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty. Save the notebook"),
        (b" \n", "is empty. Save the notebook"),
        (b"%PDF-1.7 \xe2\xe3", "is not UTF-8 text"),
        (b"print(1)", "it stops being JSON in line 1. It was cut off or edited by hand"),
        (b'{"cells": [\n{"cell_type":', "it stops being JSON in line 2"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[1, 2]", "is JSON, but not a notebook"),
        (b'{"a": 1}', "is JSON, but not a notebook"),
        (b'{"nbformat": 3, "worksheets": []}', "is in notebook format 3; format 4 is needed. Open it in JupyterLab"),
        (b'{"nbformat": 4, "metadata": {}}', "is damaged"),
        (b'{"nbformat": 4, "metadata": {}, "cells": [7]}', "is damaged"),
        (b'{"nbformat": 4, "metadata": {}, "cells": [{"cell_type": "code"}]}', "is damaged"),
        (
            b'{"nbformat": 4, "metadata": {}, "cells": [{"cell_type": "raw", "metadata": {}, "source": [7]}]}',
            "is damaged",
        ),
        (
            b'{"nbformat": 4, "metadata": {}, "cells": [{"cell_type": "code", "metadata": {}, "source": ""}]}',
            "is damaged",
        ),
    ],
)
def test_a_file_that_is_no_notebook_is_told_by_name_and_with_a_remedy(tmp_path, content, message):
    path = tmp_path / "homework.ipynb"
    path.write_bytes(content)

    with pytest.raises(NotebookError, match="homework") as caught:
        read_notebook(path)

    assert message in str(caught.value)


def test_a_missing_file_and_a_folder_are_told(tmp_path):
    with pytest.raises(NotebookError, match=r"nowhere\.ipynb does not exist"):
        read_notebook(tmp_path / "nowhere.ipynb")
    with pytest.raises(NotebookError, match="is a folder"):
        read_notebook(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="no such links there")
def test_a_link_that_leads_to_itself_is_told(tmp_path):
    path = tmp_path / "loop.ipynb"
    path.symlink_to(path)

    with pytest.raises(NotebookError, match=r"loop\.ipynb"):
        read_notebook(path)


def test_a_file_too_large_is_told_before_it_is_read(tmp_path):
    path = tmp_path / "large.ipynb"
    with path.open("wb") as file:
        file.truncate(33 * 2**20)

    with pytest.raises(NotebookError, match=r"has 33 MB; a notebook may have 32 MB\. Clear its outputs"):
        read_notebook(path)


def test_cells_are_named_as_a_person_counts_them(master):
    assert cell_label(master.cells[0], 0) == "cell 1"
    assert cell_label(master.cells[3], 3) == "cell 4 ('test_double')"


def test_metadata_that_are_none_are_no_obstacle():
    cell = {"cell_type": "code", "metadata": {"nbgrader": "broken"}, "source": "", "outputs": []}
    notebook = parse_notebook(json.dumps({"nbformat": 4, "metadata": {}, "cells": [cell]}), name="a")

    assert cell_label(notebook.cells[0], 0) == "cell 1"
