"""Which versions are installed of the packages that results depend on.

Dask's own check (`Client.get_versions(check=True)`) does not do: it looks once, at the workers that are there already,
and only warns.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

_NUMBERS = ("tensorflow-cpu", "tensorflow", "tf-keras", "keras", "larq", "larq-compute-engine", "numpy")
SAME_EVERYWHERE = ("bitlens", *_NUMBERS)  # what all workers of a run must agree on
RECORDED = (*_NUMBERS, "tflite-runtime", "ai-edge-litert")  # what a store says of the run, beside bitlens itself


def installed(packages: tuple[str, ...]) -> dict[str, str]:
    """The versions of those of these packages that are installed here."""
    versions = {}
    for package in packages:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions
