"""The host: experiment file, catalogue, data sets, saliency, explanation quality, the plan of work and its store.

It does not know how an artifact executes (that is `device`) nor how results are shown (that is `reports`).
The command line calls it.
"""
