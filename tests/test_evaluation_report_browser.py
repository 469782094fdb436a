"""The report in Chromium: on a phone and a desk, in the light and in the dark."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from browser import in_browser, needs_browser, window
from evaluation_samples import transcript, world
from gtalign.evaluation.report import write_report

pytestmark = [needs_browser, in_browser]

CUT = """() => {
  const cut = [];
  for (const svg of document.querySelectorAll("svg")) {
    const outer = svg.getBoundingClientRect();
    for (const text of svg.querySelectorAll("text")) {
      const box = text.getBoundingClientRect();
      if (box.left < outer.left - 1 || box.right > outer.right + 1) cut.push(text.textContent);
    }
  }
  return cut;
}"""
"""Texts of drawings of which a part is outside."""


async def named(page: Any) -> list[str]:
    """The drawings by the names that a screen reader has for them."""
    images = page.get_by_role("img")
    found = [await images.nth(n).locator("title").first.text_content() for n in range(8)]
    for name in found:
        assert await page.get_by_role("img", name=name).count() >= 1
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
async def test_the_report_can_be_read_in_full(
    tmp_path: Path, chromium: Any, scheme: str, width: int
) -> None:
    path = tmp_path / "report.html"
    long = [transcript(id=str(n), cluster=str(n), model="a model of a long name") for n in range(6)]
    write_report(
        path,
        title="A run",
        transcripts=[*world(12), *long],
        reference="mutual",
        curves={
            "mutual/0": [{"step": float(i), "tokens": 1e5 + 9 * i} for i in range(0, 4001, 100)]
        },
        rng=np.random.default_rng(0),
        resamples=100,
    )
    view = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme}
    async with window(chromium, **view) as shown:
        await shown.page.goto(f"file://{path}")
        assert await shown.overflow() == 0
        assert await shown.faint() == []
        assert await shown.page.evaluate(CUT) == []
        assert "Mutual welfare W" in await named(shown.page)
