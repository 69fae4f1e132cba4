"""Compares the golden cases with a runtime and the operators; needs NumPy and the runtime only, so a board can run it.

    python golden_cases.py GOLDEN_DIRECTORY LIBRARY RUNTIME KERNEL

Each .npz holds a model, its inputs, and the outputs of LCE's own interpreter. `meta` says how closely they must agree:
float outputs within tol * max(1, max|y|); int8 within tol steps, which is 0 but for exact ties; bits always exactly.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np


def disagreement(got: np.ndarray, wanted: np.ndarray, tolerance: float) -> str:
    """What differs, or an empty text."""
    if got.shape != wanted.shape or got.dtype != wanted.dtype:
        return f"expected {wanted.dtype}{wanted.shape}, got {got.dtype}{got.shape}"
    if wanted.dtype not in (np.float32, np.int8):
        return "" if np.array_equal(got, wanted) else f"{int((got != wanted).sum())} of {wanted.size} differ"
    largest = float(np.abs(wanted).max(initial=0)) if wanted.dtype == np.float32 else 1.0
    difference = float(np.abs(got.astype(np.float64) - wanted).max(initial=0))
    return "" if difference <= tolerance * max(1.0, largest) else f"differs by {difference:g}"


def check(path: Path, module: Any, delegate: Any) -> str:
    with np.load(path) as case:
        meta = json.loads(str(case["meta"]))
        inputs = [case[name] for name in sorted(case.files) if name.startswith("input_")]
        wanted = [case[name] for name in sorted(case.files) if name.startswith("output_")]
        model = case["model"].tobytes()
    interpreter = module.Interpreter(model_content=model, experimental_delegates=[delegate], num_threads=1)
    interpreter.allocate_tensors()
    for details, array in zip(interpreter.get_input_details(), inputs):
        interpreter.set_tensor(details["index"], array)
    for _ in range(2):
        interpreter.invoke()
    got = [interpreter.get_tensor(details["index"]) for details in interpreter.get_output_details()]
    return "; ".join(filter(None, (disagreement(g, w, meta["tol"]) for g, w in zip(got, wanted))))


def failures(directory: Path, library: str, runtime: str, **options: Any) -> dict[str, str]:
    """The cases that disagree, by name; and under "cases" how many there were."""
    module = importlib.import_module(f"{runtime}.interpreter")
    delegate = module.load_delegate(library, options)
    paths = sorted(directory.glob("*.npz"))
    disagreements = {path.stem: check(path, module, delegate) for path in paths}
    return {"cases": str(len(paths)), **{name: text for name, text in disagreements.items() if text}}


if __name__ == "__main__":
    print(json.dumps(failures(Path(sys.argv[1]), sys.argv[2], sys.argv[3], kernel=sys.argv[4])))
