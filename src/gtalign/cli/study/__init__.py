"""``gtalign study``: let people rate answers without knowing who wrote them."""

import typer

from gtalign.cli.study import analyse, export, rate, simulate

__all__: list[str] = []  # a program: nothing here is called from Python

app = typer.Typer(add_completion=False)


@app.callback()
def command() -> None:
    r"""Let people rate answers without knowing which model wrote them.

    Examples:
        gtalign study export before.jsonl after.jsonl --out study
        gtalign study rate study
        gtalign study analyse study
        gtalign study simulate study        (programs rate, to try it out)
    """


for name, module in (
    ("export", export),
    ("rate", rate),
    ("simulate", simulate),
    ("analyse", analyse),
):
    app.command(name)(module.command)
