"""A real browser: Chromium as the system has it, driven by Playwright."""

import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")

MISSING = [
    name
    for name, there in (("chromium", CHROMIUM), ("playwright", find_spec("playwright")))
    if there is None
]
needs_browser = pytest.mark.skipif(bool(MISSING), reason=f"not here: {', '.join(MISSING)}")


@dataclass
class Window:
    """A window with its complaints: errors on the console, of scripts, and of the CSP."""

    page: Any
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))

    def _said(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    async def overflow(self) -> int:
        """Pixels by which the page is wider than the window."""
        found = await self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        return int(found)


@asynccontextmanager
async def browser() -> AsyncGenerator[Any, None]:
    """Chromium, without a window."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=list(ARGUMENTS), headless=True
        )
        try:
            yield chromium
        finally:
            await chromium.close()


@asynccontextmanager
async def window(chromium: Any, **options: Any) -> AsyncGenerator[Window, None]:
    """A window of its own cookies; fails if the browser complained of anything."""
    context = await chromium.new_context(**options)
    try:
        found = Window(await context.new_page())
        yield found
        assert not found.complaints, "\n".join(found.complaints)
    finally:
        await context.close()
