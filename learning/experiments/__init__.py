"""The flagship experiments, each with hand designs, random search and evolution beside the gradient.

A module `x1_...` has `run(*, seeds, output, ...) -> report`; `neurojax run x1` calls it (`learning/_cli.py`).
"""
