"""Which GPUs there are, which of them count, and how they are divided into slots."""

from __future__ import annotations

import pytest

from autograder.kernels.gpus import Gpu, Slot, find_gpus, numbered_devices, parse, share, visible
from autograder.kernels.server import let_jax_read_again

LISTING = """\
0, GPU-aaaa1111-0000-0000-0000-000000000000, 24564
1, GPU-aaab2222-0000-0000-0000-000000000000, 24564
2, GPU-cccc3333-0000-0000-0000-000000000000, 11019
"""
FIRST, SECOND, THIRD = parse(LISTING)


def test_a_line_of_the_tool_is_a_gpu():
    assert (FIRST.index, FIRST.uuid, FIRST.memory) == (0, "GPU-aaaa1111-0000-0000-0000-000000000000", 24564)
    assert [(gpu.index, gpu.memory) for gpu in (SECOND, THIRD)] == [(1, 24564), (2, 11019)]


@pytest.mark.parametrize(
    "listing",
    [
        pytest.param("", id="nothing"),
        pytest.param("No devices were found\n", id="words"),
        pytest.param("0, GPU-1, [GPU is lost]\n", id="a GPU that is lost"),
        pytest.param("0, GPU-1, [N/A]\n", id="a GPU without memory of its own"),
        pytest.param(
            "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver, sorry\n", id="failure"
        ),
    ],
)
def test_what_the_tool_says_else_is_no_gpu(listing):
    assert parse(listing) == ()


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        pytest.param(None, (FIRST, SECOND, THIRD), id="not set"),
        pytest.param("", (), id="empty"),
        pytest.param("-1", (), id="none"),
        pytest.param("NoDevFiles", (), id="a word"),
        pytest.param("2", (THIRD,), id="a number"),
        pytest.param("2, 0", (THIRD, FIRST), id="in its order"),
        pytest.param("0,9,1", (FIRST,), id="what follows an unknown one does not count"),
        pytest.param("1,1,0", (SECOND,), id="nor what follows one named twice"),
        pytest.param("GPU-cccc", (THIRD,), id="the beginning of a UUID"),
        pytest.param("GPU-aaa", (), id="the beginning of two"),
        pytest.param(SECOND.uuid + ",0", (SECOND, FIRST), id="a UUID and a number"),
        pytest.param("MIG-1234", (), id="a part of a GPU"),
    ],
)
def test_the_variable_says_which_gpus_count(variable, expected):
    assert visible((FIRST, SECOND, THIRD), variable) == expected


@pytest.mark.parametrize(
    ("memory", "most", "expected"),
    [
        pytest.param(24_000, 8, (FIRST, SECOND), id="one each, and none of a GPU that is too small"),
        pytest.param(10_000, 8, (FIRST, SECOND, THIRD, FIRST, SECOND), id="first one of each, then more"),
        pytest.param(10_000, 2, (FIRST, SECOND), id="no more than wanted, each on a GPU of its own"),
        pytest.param(30_000, 8, (), id="none is large enough"),
        pytest.param(10_000, 0, (), id="none wanted"),
    ],
)
def test_slots_are_as_many_as_memory_allows(memory, most, expected):
    slots = share((FIRST, SECOND, THIRD), memory, most)

    assert slots == tuple(Slot(gpu, memory) for gpu in expected)


def test_a_kernel_is_told_its_gpu_for_good_and_its_share_without_what_cuda_takes_first():
    given = Slot(Gpu(3, "GPU-1", 16_384), 4096).environment()

    assert given["CUDA_VISIBLE_DEVICES"] == "GPU-1"
    assert given["XLA_PYTHON_CLIENT_MEM_FRACTION"] == "0.219"  # (4096 - 512) / 16384
    assert given["JAX_PLATFORMS"].split(",")[0] == "cuda"


def test_two_kernels_of_a_paper_divide_its_share():
    slot = Slot(Gpu(0, "GPU-1", 16_000), 16_000)
    alone, both = (slot.environment(kernels)["XLA_PYTHON_CLIENT_MEM_FRACTION"] for kernels in (1, 2))

    assert (alone, both) == ("0.968", "0.468")


def information(uuid: str, minor: int) -> str:
    """What the driver has in /proc about a GPU."""
    return f"Model: \t\t NVIDIA A40\nGPU UUID: \t {uuid}\nBus Location: \t 0000:01:00.0\nDevice Minor: \t {minor}\n"


def test_the_driver_says_which_device_file_is_whose():
    said = [information(FIRST.uuid, 5), information(SECOND.uuid, 3), "nothing that is understood"]
    there = ["nvidia-uvm", "nvidia3", "nvidia4", "nvidia5", "nvidiactl"]

    assert numbered_devices((FIRST, SECOND), said, there) == {FIRST.uuid: "nvidia5", SECOND.uuid: "nvidia3"}


def test_where_the_driver_does_not_say_equally_many_go_together_in_their_order():
    assert numbered_devices((FIRST,), [], ["nvidia5", "nvidiactl"]) == {FIRST.uuid: "nvidia5"}
    assert numbered_devices((SECOND, FIRST), [], ["nvidia10", "nvidia9"]) == {
        FIRST.uuid: "nvidia9",
        SECOND.uuid: "nvidia10",
    }


def test_a_gpu_whose_file_is_not_known_has_none_rather_than_anothers():
    assert numbered_devices((FIRST, SECOND), [], ["nvidia0", "nvidia1", "nvidia2"]) == {}
    assert numbered_devices((FIRST,), [information(FIRST.uuid, 7)], ["nvidia0", "nvidia1"]) == {}


@pytest.mark.parametrize(
    "script", [None, "exit 9", "echo 'Failed to initialize NVML: Driver/library version mismatch'"], ids=str
)
def test_without_a_tool_that_works_there_is_no_gpu(tmp_path, monkeypatch, script):
    if script:
        tool = tmp_path / "nvidia-smi"
        tool.write_text(f"#!/bin/sh\n{script}\n")
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin" if script else str(tmp_path))

    assert find_gpus() == ()


@pytest.mark.parametrize(("given", "read"), [("cuda,cpu", "cuda,cpu"), ("cpu", "cpu"), ("", None), (None, None)])
def test_a_forked_kernel_has_jax_go_by_its_own_variable_and_not_by_the_servers(monkeypatch, given, read):
    jax = pytest.importorskip("jax")
    before = jax.config.jax_platforms
    jax.config.update("jax_platforms", "cpu")  # as the server has imported it
    if given is None:
        monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    else:
        monkeypatch.setenv("JAX_PLATFORMS", given)

    let_jax_read_again()

    assert jax.config.jax_platforms == read
    jax.config.update("jax_platforms", before)
