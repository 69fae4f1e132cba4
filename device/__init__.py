"""The agent that runs on a device: it loads an artifact, predicts, measures and reads the machine's sensors.

It deliberately knows no model, data set, file format of a run, or network address: images and artifacts come through
a pipe.
The host (`harness/devices/`) pushes this folder to the device and starts `agent.serve`; nothing else calls it.
It needs the standard library, NumPy and one TFLite runtime, on Python 3.9 to 3.14.
"""

from __future__ import annotations
