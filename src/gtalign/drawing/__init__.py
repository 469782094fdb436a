"""Axes, ticks, staircase, matrix and numbers: the drawing kit of the report and the dashboard."""

from gtalign.drawing.axis import Axis, Point, ticks
from gtalign.drawing.bars import stacked_chart
from gtalign.drawing.intervals import Whisker, interval_chart
from gtalign.drawing.labels import Labels
from gtalign.drawing.lines import Series, line_chart, smooth
from gtalign.drawing.markup import Content, Markup, element, join
from gtalign.drawing.matrix import matrix_legend, matrix_table
from gtalign.drawing.numbers import (
    MINUS,
    NONE,
    change,
    counted,
    fixed,
    interval,
    number,
    share,
    short,
    signed,
)
from gtalign.drawing.plane import Plane, staircase
from gtalign.drawing.regions import region_chart
from gtalign.drawing.style import ACTIONS, COLOURS, action_colour, stylesheet
from gtalign.drawing.svg import svg_file

__all__ = [
    "ACTIONS",
    "COLOURS",
    "MINUS",
    "NONE",
    "Axis",
    "Content",
    "Labels",
    "Markup",
    "Plane",
    "Point",
    "Series",
    "Whisker",
    "action_colour",
    "change",
    "counted",
    "element",
    "fixed",
    "interval",
    "interval_chart",
    "join",
    "line_chart",
    "matrix_legend",
    "matrix_table",
    "number",
    "region_chart",
    "share",
    "short",
    "signed",
    "smooth",
    "stacked_chart",
    "staircase",
    "stylesheet",
    "svg_file",
    "ticks",
]
