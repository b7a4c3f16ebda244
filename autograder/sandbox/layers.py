"""All layers, one after the other."""

from __future__ import annotations

import sys
from pathlib import Path

from autograder.sandbox import calls, landlock, limits, namespaces, view
from autograder.sandbox.policy import Policy
from autograder.sandbox.system import SandboxError


def confine(policy: Policy) -> None:
    """
    Confine this process to what the policy names, for ever.

    To be called in a forked process with one thread, in the folder in which it is to run, when nothing but the standard
    three descriptors is open. With the layer ``namespaces`` the caller stays behind as a guardian that ends as the
    confined process ends, and it is the confined process in which this function returns.

    Parameters
    ----------
    policy : Policy
        What it may touch, and the layers to apply.

    Raises
    ------
    SandboxError
        A layer cannot be applied. The process is then confined in part, and fit for nothing but to say so and end.
    """
    layers = policy.layers
    if sys.platform != "linux":
        raise SandboxError("namespaces", "there are none on this system", "It needs Linux.")
    if len(list(Path("/proc/self/task").iterdir())) != 1:
        reason = "the process has more than one thread, and the others would stay free"
        raise SandboxError("landlock", reason, "Confine a freshly forked process.")
    if "namespaces" in layers:
        namespaces.enter()
    if "limits" in layers:
        limits.apply(policy)  # while /proc may still be written
    if "view" in layers:
        view.narrow(policy)
    elif "namespaces" in layers:
        view.renew()
    if "landlock" in layers:
        landlock.restrict(_rules(policy))
    if "privileges" in layers:
        limits.give_up_privileges()
    if "calls" in layers:
        calls.restrict(files_of_memory=policy.cuda)


def _rules(policy: Policy) -> list[tuple[str, int]]:
    # The shared memory and the terminals of all other processes are none of the candidate's business.
    own = [view.SHARED_MEMORY] if "namespaces" in policy.layers else []
    own += [view.TERMINALS] if "view" in policy.layers else []
    rules = [
        ("/proc", landlock.READ),
        *((path, landlock.READ) for path in policy.readable),
        *((path, landlock.WRITE) for path in policy.writable),
        *((path, landlock.SOCKETS) for path in policy.sockets),
        *((path, landlock.DEVICE) for path in policy.devices),
        *((path, landlock.NAMES) for path in [view.THREADS] * policy.cuda),
        *((path, landlock.WRITE) for path in (*view.DEVICES, *own) if Path(path).exists()),
    ]
    if "view" in policy.layers:
        # The folders that lead to what is readable: a new Python looks into them for what it imports.
        rules.append(("/", landlock.LIST))
    return rules
