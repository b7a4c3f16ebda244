"""
Warm kernels: Jupyter kernels forked from a process that has imported everything already.

``server`` is that process, ``process`` its face in the grader, ``provisioner`` offers both to every Jupyter client
under the kernel name ``warm``, and ``kernel`` runs cells.
"""
