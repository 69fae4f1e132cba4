"""How help looks: plain sections with bold headings, and no library that takes longer to import than to print."""

from __future__ import annotations

from typing import Any

import typer
import typer.core

from harness.terminal import wants_no_colour

# Of every typer app of ours: rich's panels would double the time that help takes.
LOOK: dict[str, Any] = {
    "rich_markup_mode": None,
    "context_settings": {"help_option_names": ["-h", "--help"], "max_content_width": 110},
}


class VerbCommand(typer.core.TyperCommand):
    """Its options stand in the sections that they name, and its epilog is examples, one on each line."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for parameter in self.get_params(ctx):
            usual = "Arguments" if parameter.param_type_name == "argument" else "Options"
            title = getattr(parameter, "rich_help_panel", None) or usual
            if entry := parameter.get_help_record(ctx):
                sections.setdefault(title, []).append(entry)
        for title, entries in sections.items():
            _write_section(formatter, title, entries)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        if self.epilog:
            with formatter.section(_bold("Examples")):
                formatter.write("".join(f"  {line}\n" for line in self.epilog.splitlines()))


class VerbsGroup(typer.core.TyperGroup):
    """It says the whole summary of each of its commands, in sections of those that belong together."""

    def sections(self) -> dict[str, list[str]]:
        """Names of commands by the title of their section."""
        return {"Commands": list(self.commands)}

    def format_options(self, ctx: Any, formatter: Any) -> None:
        entries = [entry for parameter in self.get_params(ctx) if (entry := parameter.get_help_record(ctx))]
        self.format_commands(ctx, formatter)
        _write_section(formatter, "Options", entries)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        width = max(map(len, self.commands))
        for title, names in self.sections().items():
            entries = [(name.ljust(width), _summary(self.commands[name])) for name in names]
            _write_section(formatter, title, entries)


def _summary(command: Any) -> str:
    return " ".join((command.help or "").partition("\n\n")[0].split())


def _write_section(formatter: Any, title: str, entries: list[tuple[str, str]]) -> None:
    if entries:
        with formatter.section(_bold(title)):
            formatter.write_dl(entries)


def _bold(text: str) -> str:
    """On a terminal; whatever goes elsewhere is stripped of it by typer."""
    return text if wants_no_colour() else typer.style(text, bold=True)
