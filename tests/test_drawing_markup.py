"""Markup: all text is escaped in one place, whatever it is made of."""

from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtalign.drawing import (
    Markup,
    Series,
    Whisker,
    element,
    interval_chart,
    join,
    line_chart,
    matrix_table,
    stacked_chart,
)
from gtalign.drawing.svg import circle, group, picture, text

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</title></svg><script>alert(1)</script>",
    "<!--",
    "]]>",
    "&lt;b&gt; &amp; &#60;",
    "\x00\x1b[31m\ud800\uffff",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1)",
)
TEXT = st.one_of(st.text(), st.sampled_from(HOSTILE))


class Seen(HTMLParser):
    """The elements, attributes and text that a browser would make of markup."""

    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.names: set[str] = set()
        self.texts: list[str] = []
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.names |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")


@given(TEXT, TEXT)
def test_text_stays_text(content: str, value: str) -> None:
    found = element("p", content, title=value)
    assert isinstance(found, Markup)
    seen = Seen(found)
    assert seen.tags == ["p"] and seen.names == {"title"}
    root = ElementTree.fromstring(found)  # well-formed, whatever was in it
    shown = "".join(seen.texts).replace("\r", "\n")
    expected = content.encode("utf-8", "replace").decode()
    if expected.isprintable():
        assert shown == expected == (root.text or "")
        if value.isprintable():
            assert root.attrib["title"] == value


def test_markup_is_escaped_once() -> None:
    inner = element("b", "1 < 2")
    assert inner == "<b>1 &lt; 2</b>"
    assert element("p", inner, " & ", [inner, None, "<"]) == f"<p>{inner} &amp; {inner}&lt;</p>"
    assert join(inner, "<i>") == f"{inner}&lt;i&gt;"
    assert inner.__html__() == inner and join() == "" and element("p", None) == "<p></p>"


def test_what_is_cut_out_of_markup_is_text_again() -> None:
    inner = element("b", "x")
    assert element("p", inner + "<i>") == "<p>&lt;b&gt;x&lt;/b&gt;&lt;i&gt;</p>"
    assert element("p", inner[:3]) == "<p>&lt;b&gt;</p>"
    assert element("p", f"{inner}") == "<p>&lt;b&gt;x&lt;/b&gt;</p>"


def test_attributes() -> None:
    found = element("a", class_="x", aria_label='"', data_cell="<", open=True, hidden=False, x=1.25)
    assert found == '<a class="x" aria-label="&quot;" data-cell="&lt;" open="" x="1.2"></a>'
    assert element("line", x1=1.0, x2=None) == '<line x1="1"/>'
    assert (
        element("circle", element("title", "t"), r=3) == '<circle r="3"><title>t</title></circle>'
    )


def test_a_template_of_jinja_takes_markup_as_it_is() -> None:
    jinja2 = pytest.importorskip("jinja2")
    template = jinja2.Environment(autoescape=True).from_string("{{ a }}{{ b }}")
    assert template.render(a=element("b", "<"), b="<b>") == "<b>&lt;</b>&lt;b&gt;"


@pytest.mark.parametrize("evil", HOSTILE)
def test_everything_that_is_drawn_escapes_its_texts(evil: str) -> None:
    drawn = (
        text(1, 2, evil, "label"),
        group("x", circle(1, 2, 3, "dot", evil), tip=evil),
        picture(evil, evil, 10, 10, text(1, 2, evil, "tick")),
        interval_chart(evil, [(evil, [Whisker(evil, "c0", 0.5, 0.4, 0.6)])]),
        line_chart(evil, [Series(evil, "c0", [(0, 1), (1, 2)])], evil, evil, dots=True),
        stacked_chart(evil, [(evil, {evil: 1.0})], {evil: "c0"}),
        matrix_table(
            [(evil, evil)],
            [(evil, evil)],
            {evil: (1.0, 2.0)},
            caption=evil,
            chosen=evil,
            frontier=[evil],
            played=evil,
        ),
    )
    for one in drawn:
        seen = Seen(one)
        assert not {"script", "img"} & set(seen.tags)
        assert not {name for name in seen.names if name.startswith("on") or name == "style"}
        ElementTree.fromstring(one)
        one.encode("utf-8")
