"""Datasets as other tools keep them: one file per format, both ways.

A format goes out as a folder beside the tables of `synthneg.dataset.shapes`. It comes in as a stream of `Text`, `Asked`
and `Label`, in any order and as often as the files say them; `synthneg.intake` makes a run of it.
"""
