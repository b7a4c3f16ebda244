"""
Sealed grading: two kernels for each submission, and only values between them.

The *candidate* runs what the student wrote, the *examiner* runs the tests. ``values`` and ``models`` turn objects
into bytes and back, ``candidate`` answers questions inside the student's kernel, ``examiner`` asks them inside the
other, ``scoring`` says what a test cell's run is worth, and ``session`` conducts it all.
"""
