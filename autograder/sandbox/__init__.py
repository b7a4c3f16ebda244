"""
The sandbox: what a candidate may touch, kept by Linux in layers that are each tried and tested alone.

``namespaces`` takes away the network and all other processes, ``limits`` the means to use the machine up, ``view``
every file that the policy does not name, ``landlock`` the rights to the files that it does not name, ``privileges``
what root could do about all that, and ``calls`` the system calls that no notebook needs. ``policy`` says what is
allowed, ``layers`` applies it, ``probing`` tries each layer for real, and ``system`` is how Linux is asked.
"""

from autograder.sandbox.layers import confine
from autograder.sandbox.policy import LAYERS, Policy, default_readable
from autograder.sandbox.probing import LayerReport, probe
from autograder.sandbox.system import SandboxError

__all__ = ["LAYERS", "LayerReport", "Policy", "SandboxError", "confine", "default_readable", "probe"]
