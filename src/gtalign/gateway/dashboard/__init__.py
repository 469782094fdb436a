"""The dashboard: pages for people, rendered here, for which a browser needs no script.

A page is a handler and a template. The handler is ``async def name(visit: Visit) -> Page`` in a
module of its own; it reads what the visit asks for and returns a `Page`, which names a template of
``templates/`` and what the template shows. `pages.VIEWS` has one line for each: its address, its
handlers, and its name in the navigation. Everything else is done for it, by `site`:

- who visits is known (`Visit.key`), and has the scope ``admin``;
- what a form sends was asked for by a page of this very session (`Visit.sent`);
- errors are pages too: raise `APIError`, or let those of the package pass;
- every text is escaped, and no script or style runs that is not a file of ``static/``.

A template extends ``layout.jinja``. A form that sends something has ``{{ csrf() }}`` in it, and
requests of htmx carry the token by themselves. A style is a class of ``static/dashboard.css``,
never an attribute. What several pages draw is in ``parts.jinja``.
"""
