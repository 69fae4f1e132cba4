"""Who does the units of a run, in which process: the coordinator, Dask's workers, and a thread for each board.

It does not know what a unit is about: the stages do.
"""
