"""Cycles of the NEON kernels on three ARM cores, by a model: no board is needed, and no other load disturbs.

    python benchmarks/arm_model.py [--json] [--save] [--against CHECKOUT] [--quick]

One call of a kernel runs under qemu, which notes each instruction; llvm-mca then says how many cycles a core takes for
them again and again. The model knows pipelines and latencies. It knows no caches and predicts every branch, so its
cycles compare kernels with each other and with the bound; they are no measurement of a board.

Ratios are binary products per cycle over what the counting's vector instructions alone allow; with --against, also how
many times faster this checkout is than another. Needs qemu-user and LLVM (Debian: apt install qemu-user llvm); the
Cortex-A76 needs LLVM 16 or later (llvm-19), whose model of a Neoverse N1 stands for it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.conditions import Watch
from benchmarks.ratios import Limits, Ratio, counted
from benchmarks.results import Table, parser_of, publish
from device.lce_ops.build import FLAGS
from harness.errors import BitlensError
from harness.native.build import compiler_for

QEMU = "qemu-aarch64"
NEWEST_LLVM, OLDEST_LLVM, OLDEST_WITH_N1 = 30, 14, 16
REPETITIONS = 40
# By core: LLVM's name for it, and the cycles of 48 vector instructions, which count 2048 products.
CORES = {"A53": ("cortex-a53", 48), "A72": ("cortex-a72", 24), "A76": ("neoverse-n1", 24)}
BLOCK_PRODUCTS = 2048
TILE_PIXELS, PANEL_CHANNELS, TAPS = 4, 16, 9
KINDS = {
    "residual": "float + residual + sign",
    "signs": "float + sign",
    "floats": "float",
    "int8": "int8",
    "bits": "bits",
    "quantize-floats": "LceQuantize of floats",
    "quantize-int8": "LceQuantize of int8",
}
CASES = [(kind, 64) for kind in ("residual", "signs", "floats", "int8", "bits")]
CASES += [("residual", channels) for channels in (128, 256, 512)]
CASES += [("quantize-floats", 128), ("quantize-int8", 128)]


@dataclass(frozen=True)
class Figure:
    """One call of a kernel on one core."""

    kind: str
    channels: int
    core: str
    instructions: int
    cycles: float

    @property
    def name(self) -> str:
        return f"{KINDS[self.kind]}, {self.channels}, {self.core}"

    @property
    def of_bound(self) -> float | None:
        """Of the products per cycle that counting alone allows; None for what counts nothing."""
        if self.kind.startswith("quantize"):
            return None
        blocks = TILE_PIXELS * PANEL_CHANNELS * TAPS * self.channels / BLOCK_PRODUCTS
        return blocks * CORES[self.core][1] / self.cycles


class NoTool(BitlensError):
    """The model cannot run here."""


@cache
def llvm() -> tuple[str, str, int]:
    """llvm-mca and llvm-objdump of the newest LLVM here, and its version. Raises NoTool."""
    for suffix in [f"-{version}" for version in range(NEWEST_LLVM, OLDEST_LLVM - 1, -1)] + [""]:
        mca, objdump = shutil.which(f"llvm-mca{suffix}"), shutil.which(f"llvm-objdump{suffix}")
        if mca and objdump:
            version = re.search(r"LLVM version (\d+)", _output(mca, "--version"))
            if version:
                return mca, objdump, int(version[1])
    raise NoTool("llvm-mca and llvm-objdump are not here", hint="apt install llvm")


def cores() -> list[str]:
    """Those that the LLVM here has a model of. Raises NoTool."""
    return [core for core in CORES if core != "A76" or llvm()[2] >= OLDEST_WITH_N1]


def compile_kernels(checkout: Path, folder: Path) -> Path:
    """The NEON kernels of a checkout as a program, compiled as its library is. Raises NoCompiler or NoTool."""
    compiler = compiler_for("aarch64")
    operators, program = checkout / "device/lce_ops", folder / "arm_tile"
    objects = []
    for source in (operators / "isa_neon.cc", checkout / "benchmarks/arm_tile.cc"):
        objects.append(str(folder / f"{source.stem}.o"))
        _output(*compiler, *FLAGS, "-fno-exceptions", f"-I{operators}", "-c", str(source), "-o", objects[-1])
    _output(*compiler, *objects, "-nostdlib", "-static", "-o", str(program))
    return program


def trace(program: Path, kind: str, channels: int) -> list[str]:
    """The instructions of one call in the order in which they were executed. Raises NoTool."""
    if not shutil.which(QEMU):
        raise NoTool(f"{QEMU} is not here", hint="apt install qemu-user")
    log = program.with_name("trace.log")
    one_by_one = "-one-insn-per-tb" if "one-insn-per-tb" in _output(QEMU, "--help") else "-singlestep"
    options = (one_by_one, "-cpu", "cortex-a72", "-d", "exec,nochain", "-D", str(log))
    _output(QEMU, *options, str(program), kind, str(channels))
    executed = [int(place, 16) for place in re.findall(r"\[[0-9a-f]+/([0-9a-f]+)/", log.read_text())]
    text_at, begin, end = disassembly(program)
    call = executed[executed.index(begin) : executed.index(end)]
    first = next(i for i, place in enumerate(call) if text_at[place].startswith("blr"))
    last = max(i for i, place in enumerate(call) if text_at[place].startswith("ret"))
    return [without_target(text_at[place]) for place in call[first + 1 : last + 1]]


@cache
def disassembly(program: Path) -> tuple[dict[int, str], int, int]:
    """Instructions by address, and the addresses between which the call lies."""
    listing = _output(llvm()[1], "-d", "--no-show-raw-insn", str(program))
    text_at = {int(m[1], 16): m[2] for m in re.finditer(r"^\s*([0-9a-f]+):\s+(.*)$", listing, re.MULTILINE)}
    at = {m[2]: int(m[1], 16) for m in re.finditer(r"^([0-9a-f]+) <(traced_\w+)>:", listing, re.MULTILINE)}
    return text_at, at["traced_begin"], at["traced_end"]


def without_target(instruction: str) -> str:
    """The same without the address that it jumps to or speaks of, which an assembler could not reach from here."""
    plain = re.sub(r"\s*(//|<).*", "", instruction)
    return re.sub(r"0x[0-9a-f]+$", "0", plain) if re.match(r"(b|b\.\w+|bl|cbn?z|tbn?z|adrp?)\s", plain) else plain


def cycles(instructions: list[str], core: str) -> float:
    """Of one call among many in a row."""
    options = ("-mtriple=aarch64", f"-mcpu={CORES[core][0]}", f"-iterations={REPETITIONS}")
    total = re.search(r"Total Cycles:\s+(\d+)", _output(llvm()[0], *options, text="\n".join(instructions)))
    assert total
    return int(total[1]) / REPETITIONS


def measure(checkout: Path, cases: list[tuple[str, int]]) -> list[Figure]:
    """Raises BitlensError where something is missing."""
    figures = []
    with tempfile.TemporaryDirectory(prefix="bitlens-arm-model-") as folder:
        program = compile_kernels(checkout, Path(folder))
        for kind, channels in cases:
            executed = trace(program, kind, channels)
            figures += [Figure(kind, channels, core, len(executed), cycles(executed, core)) for core in cores()]
    return figures


def _output(*command: str, text: str | None = None) -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BitlensError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def ratios(figures: list[Figure], others: list[Figure]) -> dict[str, Ratio]:
    other_of = {other.name: other.cycles for other in others}
    bounds = {
        f"of bound: {figure.name}": counted(
            f"{figure.name}: of the products that counting alone allows", figure.of_bound
        )
        for figure in figures
        if figure.of_bound is not None
    }
    return bounds | {
        f"times faster: {figure.name}": counted(f"{figure.name}: over the other", other_of[figure.name] / figure.cycles)
        for figure in figures
        if figure.name in other_of
    }


def table(figures: list[Figure]) -> Table:
    rows = [
        [KINDS[figure.kind], str(figure.channels), figure.core, str(figure.instructions), f"{figure.cycles:.0f}"]
        for figure in figures
    ]
    return Table("One call of a kernel", ["kernel", "channels", "core", "instructions", "cycles"], rows)


def main(arguments: list[str]) -> int:
    parser = parser_of(__doc__, Limits())
    parser.add_argument("--against", type=Path, metavar="CHECKOUT", help="another checkout that has this script")
    options, watch = parser.parse_args(arguments), Watch()
    cases = CASES[:1] if options.quick else CASES
    try:
        figures = measure(ROOT, cases)
        others = measure(options.against.resolve(), cases) if options.against else []
    except BitlensError as error:
        print(error, file=sys.stderr)
        return 1
    amounts = {f"cycles: {figure.name}": figure.cycles for figure in figures}
    amounts |= {f"instructions: {figure.name}": float(figure.instructions) for figure in figures}
    publish(options, watch, ratios=ratios(figures, others), figures=amounts, tables=[table(figures)])
    if "A76" not in cores():
        print(f"no Cortex-A76: LLVM {llvm()[2]} has no model of it; apt install llvm-19", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
