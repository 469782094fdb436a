"""The dashboard: pages for people, rendered on the server; they work without scripts.

A page is a handler and a template. The handler is ``async def name(visit: Visit) -> Page`` in a
module of its own; it reads what the visit asks for and returns a `Page`, which names a template of
``templates/`` and what the template shows. `pages.VIEWS` has one line for each: its address, its
handlers, and its name in the navigation. `site` does the rest for every page:

- the visitor is known (`Visit.key`) and has the scope ``admin``;
- a form is accepted only from a page of the same session (`Visit.sent`);
- errors are pages too: raise `APIError`, or let those of the package pass;
- every text is escaped, and no script or style runs that is not a file of ``static/``.

A template extends ``layout.jinja``. A form that sends something has ``{{ csrf() }}`` in it, and
requests of htmx carry the token by themselves. A style is a class of ``static/dashboard.css``,
never an attribute. What several pages draw is in ``parts.jinja``.
"""

__all__: list[str] = []  # the gateway alone uses what is here
