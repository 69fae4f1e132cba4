"""Runs examples and takes a picture of the top of each report, for docs/gallery.md.

    python examples/gallery.py                  # all of them: days, and the data and devices that each file names
    python examples/gallery.py demo cifar10     # these

A run that is complete is not run again. What cannot be run keeps the picture that it has. Needs Chromium.
"""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "images" / "gallery"
EXAMPLES = ["demo", *sorted(path.stem for path in (ROOT / "examples").glob("*.toml"))]
WIDTH, HEIGHT = 1180, 900  # of the window, in pixels of CSS
COLOURS = 64  # of a picture, which keeps it small


def run(name: str) -> Path:
    """The report of an example. Raises CalledProcessError where it does not run."""
    command = ["demo"] if name == "demo" else ["run", f"examples/{name}.toml"]
    subprocess.run([sys.executable, "-m", "harness.cli.main", *command], cwd=ROOT, check=True)
    return ROOT / "runs" / name / "report.html"


def picture(report: Path, chromium: str) -> Image.Image:
    """The top of a page as a browser shows it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.goto(report.as_uri())
        page.wait_for_selector("html[data-complete]", state="attached")  # every chart is drawn
        content = page.screenshot()
        browser.close()
    return Image.open(io.BytesIO(content)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="EXAMPLE", help=f"of {', '.join(EXAMPLES)}")
    names = parser.parse_args().names or EXAMPLES
    unknown = [name for name in names if name not in EXAMPLES]
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if unknown or chromium is None:
        parser.error(f"no example {', '.join(unknown)}" if unknown else "needs Chromium: apt install chromium")
    PICTURES.mkdir(parents=True, exist_ok=True)
    failed = []
    for name in names:
        try:
            picture(run(name), chromium).save(PICTURES / f"{name}.png", optimize=True)
        except subprocess.CalledProcessError:
            failed.append(name)
        else:
            print(PICTURES / f"{name}.png")
    if failed:
        print(f"no new picture, because the run failed (its reason is above): {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
