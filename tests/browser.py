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
in_browser = pytest.mark.asyncio(loop_scope="session")
"""A test in the browser runs in the loop that the browser was started in."""

PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
FAINT = """() => {
  const channels = (text) => {
    const found = text.match(/[\\d.]+/g).map(Number);
    const most = text.startsWith("color(") ? 1 : 255;
    const [r, g, b, a = 1] = found.map((value, i) => (i < 3 ? value / most : value));
    return [r, g, b, a];
  };
  const over = (top, ground) => [0, 1, 2].map((i) => top[i] * top[3] + ground[i] * (1 - top[3]));
  const light = (c) => {
    const [r, g, b] = c.map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const faint = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const own = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || own.closest("svg, .hidden, .skip, script")) continue;
    const parents = [];
    for (let e = own; e; e = e.parentElement) parents.unshift(e);
    let ground = [1, 1, 1], opacity = 1;
    for (const e of parents) {
      const style = getComputedStyle(e);
      ground = over(channels(style.backgroundColor), ground);
      opacity *= Number(style.opacity);
    }
    const colour = channels(getComputedStyle(own).color);
    const text = over([...colour.slice(0, 3), colour[3] * opacity], ground);
    const [high, low] = [light(text), light(ground)].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (low + 0.05);
    const words = walker.currentNode.data.trim().slice(0, 40);
    if (ratio < 4.5) faint.push(`${ratio.toFixed(2)}: ${words}`);
  }
  return faint;
}"""
"""Texts of a page whose contrast is below what WCAG 2.2 asks for (AA, 4.5 to 1)."""


@dataclass
class Window:
    """A window with its complaints: errors on the console, of scripts, and of the CSP."""

    page: Any
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))

    def _said(self, message: Any) -> None:
        # htmx reports each request that a newer one of the same form has replaced, in two lines.
        replaced = message.text.startswith(("htmx:sendAbort,", "htmx:afterRequest,"))
        if message.type in ("error", "warning") and not replaced:
            self.complaints.append(f"{message.type}: {message.text}")

    async def overflow(self) -> int:
        """Pixels by which the page is wider than the window."""
        found = await self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        return int(found)

    async def faint(self) -> list[str]:
        """Texts of the page that are hard to read."""
        return list(await self.page.evaluate(FAINT))


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
