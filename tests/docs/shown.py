"""What the README and the pages of docs/ show: commands with the output below them, TOML, and Python."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
PROGRAMS = (
    "apt",
    "apt-get",
    "bitlens",
    "cp",
    "curl",
    "dask",
    "git",
    "make",
    "mkdir",
    "openssl",
    "pip",
    "python",
    "python3",
    "ssh",
)
COMMAND = re.compile(rf"(?:[A-Z_]+=(?:\"[^\"]*\"|\S+) )*(?:{'|'.join(PROGRAMS)}) .*|[A-Z_]+=\".*\"")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """An indented or fenced part of a page. `lead` is the line of text before it, `language` is of a fence."""

    page: Path
    line: int
    text: str
    lead: str
    language: str = ""

    @property
    def commands(self) -> list[str]:
        return [line for line in self.text.splitlines() if COMMAND.fullmatch(line)] if not self.language else []

    @property
    def is_toml(self) -> bool:
        first = self.text.splitlines()[0]
        return self.language == "toml" or (not self.language and bool(re.match(r"\[|#|[a-z_]+ = ", first)))

    @property
    def is_output(self) -> bool:
        """Whether it is what the commands before it print."""
        return not self.commands and not self.language and "prints" in self.lead


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command as a page shows it, and the lines of output that it shows for it."""

    page: Path
    line: int
    text: str
    output: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """Those that begin after an empty line or a heading, or with a fence, in the order of the page."""
    return list(_blocks(page, page.read_text(encoding="utf-8").splitlines()))


def _blocks(page: Path, lines: list[str]) -> Iterator[Block]:
    number, lead = 0, ""
    while number < len(lines):
        begin, line = number, lines[number]
        fence = re.match(r" *```(\w*)", line)
        if fence:
            number = next(at for at in range(begin + 1, len(lines)) if lines[at].strip() == "```") + 1
            inside, language = lines[begin + 1 : number - 1], fence[1] or "text"
            yield Block(page=page, line=begin + 2, text=dedent("\n".join(inside)), lead=lead, language=language)
        elif line.startswith("    ") and re.match(r"\s*$|#", lines[begin - 1]):
            while number < len(lines) and (lines[number].startswith("    ") or not lines[number].strip()):
                number += 1
            text = dedent("\n".join(lines[begin:number])).strip("\n")
            yield Block(page=page, line=begin + 1, text=text, lead=lead)
        else:
            number += 1
            lead = line or lead


def commands(page: Path) -> list[Command]:
    """Every command of a page in its order, comments left out."""
    found: list[Command] = []
    first = 0  # of the commands of the block before: what is printed below belongs to it
    for block in blocks(page):
        lines = block.text.splitlines()
        if block.is_output and found:
            found[first] = _with_output(found[first], lines)
        places = [at for at, line in enumerate(lines) if line in block.commands]
        first = len(found) if places else first
        for place, after in pairwise([*places, len(lines)]):
            text = re.sub(r"\s{2,}# .*| {2,}or .*", "", lines[place])
            shown = Command(page=page, line=block.line + place, text=text)
            found.append(_with_output(shown, [] if block.is_toml else lines[place + 1 : after]))
    return found


def _with_output(command: Command, lines: list[str]) -> Command:
    output = tuple(line for line in lines if line.strip())
    return Command(page=command.page, line=command.line, text=command.text, output=output)


def inline_commands(page: Path) -> list[str]:
    """Commands of bitlens that stand in a sentence."""
    return re.findall(r"`(bitlens [a-z][^`]*)`", page.read_text(encoding="utf-8"))


FIGURE = re.compile(r"(?<![A-Za-z_])\d[\d,.]*(?:e[-+]?\d+)?")
PROGRESS = re.compile(r"^(\w+ \w+ N/N): .*")


def comparable(line: str) -> str:
    """A line of output without its figures: numbers, hashes, widths of columns, and what a line of progress was at."""
    line = re.sub(r"\b[0-9a-f]{16,}\b", "HASH", line.strip())
    line = re.sub(r"[ ]{2,}", " ", FIGURE.sub("N", line))
    return PROGRESS.sub(r"\1", line)
