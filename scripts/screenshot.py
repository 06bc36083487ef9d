#!/usr/bin/env python
"""Takes the picture of a page that the docs show, as in scripts/screenshot.py runs/report.html docs/images/report.png."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright


def main() -> None:
    """Writes the PNG."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", help="an HTML file, or the address of a server on this machine")
    parser.add_argument("picture", type=Path)
    parser.add_argument("--width", type=int, default=1100)
    parser.add_argument("--height", type=int, default=760)
    parser.add_argument("--of", metavar="SELECTOR", help="only of the first element that this CSS selector finds, whole")
    args = parser.parse_args()
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        sys.exit("screenshot: there is no Chromium here: apt-get install chromium")
    address = args.page if "://" in args.page else Path(args.page).resolve().as_uri()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-background-networking"])
        page = browser.new_page(viewport={"width": args.width, "height": args.height})
        page.goto(address, wait_until="networkidle")
        args.picture.parent.mkdir(parents=True, exist_ok=True)
        if args.of:
            page.locator(args.of).first.screenshot(path=args.picture)
        else:
            page.screenshot(path=args.picture)
        browser.close()


if __name__ == "__main__":
    main()
