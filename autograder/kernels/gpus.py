"""
GPUs of this machine, and the shares of them that papers are lent.

What NVIDIA's tool lists and ``CUDA_VISIBLE_DEVICES`` allows becomes slots; a paper that needs a GPU has one slot while
it runs. What a kernel may see of a GPU is said in its environment, before it first asks for one.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

RESOURCE = "GPU"
"""What a worker of a cluster is to have for papers that need a GPU: ``dask worker ... --resources GPU=1``."""

NO_GPU = {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}
"""Environment of a kernel that computes on the processor alone."""

VISIBLE = "CUDA_VISIBLE_DEVICES"

_TOOL = "nvidia-smi"
_QUERY = ("--query-gpu=index,uuid,memory.total", "--format=csv,noheader,nounits")
_TOOL_SECONDS = 30
_DEVICES = Path("/dev")
# What CUDA opens besides the GPU itself. Not nvidia-caps: in it MIG is set up, and monitored.
_COMMON_DEVICES = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools")
_OF_THE_DRIVER = Path("/proc/driver/nvidia/gpus")
_UUID = re.compile(r"^GPU UUID:\s*(\S+)", re.MULTILINE)
_MINOR = re.compile(r"^Device Minor:\s*(\d+)", re.MULTILINE)
# A process's context on a GPU: it is there before the first array, and counts in no fraction.
_CONTEXT = 512


@dataclass(frozen=True)
class Gpu:
    """
    A GPU.

    Attributes
    ----------
    index : int
        NVIDIA's number of it.
    uuid : str
        Its name for good; where a kernel sees one GPU alone, numbers begin anew.
    memory : int
        MiB that it has.
    devices : tuple of str
        Device files that a kernel needs to compute on it; without a sandbox of no matter.
    """

    index: int
    uuid: str
    memory: int
    devices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Slot:
    """
    A share of a GPU, for one paper at a time.

    Attributes
    ----------
    gpu : Gpu
        Of which.
    memory : int
        MiB.
    """

    gpu: Gpu
    memory: int

    def environment(self, kernels: int = 1) -> dict[str, str]:
        """
        Give what lets a kernel compute on this share alone.

        JAX keeps to its fraction, and ends with an error where the GPU is there and cannot be used. TensorFlow takes
        what it needs as it goes; it has no variable for a limit.

        Parameters
        ----------
        kernels : int
            How many kernels have the share together.
        """
        own = max(self.memory // 4, self.memory // kernels - _CONTEXT)
        return {
            VISIBLE: self.gpu.uuid,
            "TF_FORCE_GPU_ALLOW_GROWTH": "true",
            "XLA_PYTHON_CLIENT_MEM_FRACTION": f"{own / self.gpu.memory:.3f}",
            "JAX_PLATFORMS": "cuda,cpu",
        }


def parse(listing: str) -> tuple[Gpu, ...]:
    """Read what NVIDIA's tool lists: a line for each GPU, with its number, its UUID, and its memory in MiB."""
    rows = [[field.strip() for field in row] for row in csv.reader(listing.splitlines())]
    # A GPU that has fallen off the bus has words where a number belongs.
    return tuple(Gpu(int(row[0]), row[1], int(row[2])) for row in rows if len(row) == 3 and row[2].isdecimal())


def visible(gpus: Iterable[Gpu], variable: str | None) -> tuple[Gpu, ...]:
    """
    Give the GPUs that ``CUDA_VISIBLE_DEVICES`` allows, in its order.

    As with CUDA itself: numbers or UUIDs, which may be cut short; what follows an unknown one does not count; without
    the variable all are allowed.
    """
    gpus = tuple(gpus)
    if variable is None:
        return gpus
    chosen: list[Gpu] = []
    for word in map(str.strip, variable.split(",")):
        fits = [gpu for gpu in gpus if word == str(gpu.index) or (word[:4] == "GPU-" and gpu.uuid.startswith(word))]
        if len(fits) != 1 or fits[0] in chosen:
            break
        chosen += fits
    return tuple(chosen)


def share(gpus: Iterable[Gpu], memory: int, most: int) -> tuple[Slot, ...]:
    """
    Divide GPUs into slots.

    Parameters
    ----------
    gpus : iterable of Gpu
        A GPU with less memory than a paper is to have gives no slot.
    memory : int
        MiB that a paper is to have.
    most : int
        How many slots are wanted.

    Returns
    -------
    tuple of Slot
        First one of each GPU, then a second one of each that has room for it, and so on.
    """
    rounds = [(number, gpu) for gpu in gpus for number in range(gpu.memory // memory)]
    rounds.sort(key=lambda pair: pair[0])
    return tuple(Slot(gpu, memory) for _, gpu in rounds[:most])


def numbered_devices(gpus: Iterable[Gpu], driver_says: Iterable[str], there: Iterable[str]) -> Mapping[str, str]:
    """
    Find the device file of each GPU, by its UUID.

    The driver's number of a GPU is not that of NVIDIA's tool: a container that has one GPU of eight calls it 0 and has
    ``nvidia5``. Where the driver does not say, files and GPUs that are equally many go together in their order.

    Parameters
    ----------
    gpus : iterable of Gpu
        All that there are.
    driver_says : iterable of str
        Texts of the driver, one for each GPU that it knows of.
    there : iterable of str
        Names of the device files.
    """
    of_uuid = {}
    for text in driver_says:
        uuid, minor = _UUID.search(text), _MINOR.search(text)
        if uuid and minor:
            of_uuid[uuid[1]] = f"nvidia{minor[1]}"
    names = sorted((name for name in there if re.fullmatch(r"nvidia\d+", name)), key=lambda name: int(name[6:]))
    in_order = sorted(gpus, key=lambda gpu: gpu.index)
    if len(names) == len(in_order):
        of_uuid = {**{gpu.uuid: name for gpu, name in zip(in_order, names, strict=True)}, **of_uuid}
    return {gpu.uuid: of_uuid[gpu.uuid] for gpu in in_order if of_uuid.get(gpu.uuid) in names}


def find_gpus() -> tuple[Gpu, ...]:
    """Give the GPUs that this process may use; none where NVIDIA's tool is not there, or fails."""
    tool = shutil.which(_TOOL)
    if tool is None:
        return ()
    try:
        done = subprocess.run([tool, *_QUERY], capture_output=True, text=True, timeout=_TOOL_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()
    found = parse(done.stdout)
    files = numbered_devices(found, _driver_texts(), [path.name for path in _DEVICES.glob("nvidia*")])
    common = [name for name in _COMMON_DEVICES if (_DEVICES / name).exists()]
    own = {gpu.uuid: [files[gpu.uuid], *common] if gpu.uuid in files else [] for gpu in found}
    with_files = [
        Gpu(gpu.index, gpu.uuid, gpu.memory, tuple(str(_DEVICES / name) for name in own[gpu.uuid])) for gpu in found
    ]
    return visible(with_files, os.environ.get(VISIBLE))


def _driver_texts() -> list[str]:
    texts = []
    for path in sorted(_OF_THE_DRIVER.glob("*/information")):
        try:
            texts.append(path.read_text(encoding="ascii", errors="replace"))
        except OSError:
            continue  # another container's
    return texts


def compute() -> None:
    """
    Compute something on the GPU that this kernel was lent, as a network does.

    Raises
    ------
    Exception
        Whatever comes up where that is not possible.
    """
    import keras
    import numpy as np

    picture, kernel = np.ones((1, 8, 8, 1), "float32"), np.ones((3, 3, 1, 1), "float32")
    name = keras.backend.backend()
    if name == "jax":
        import jax

        try:
            jax.devices("cuda")
        except RuntimeError as error:
            raise RuntimeError(
                f"JAX sees no GPU ({error}). CUDA for it comes with: pip install 'jax[cuda12]'."
            ) from error
    elif name == "tensorflow":
        import tensorflow as tf

        if not tf.config.list_physical_devices("GPU"):
            raise RuntimeError(
                "TensorFlow sees no GPU. Its CUDA libraries come with: pip install 'tensorflow[and-cuda]'."
            )
    keras.ops.convert_to_numpy(keras.ops.conv(picture, kernel))
