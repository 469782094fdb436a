"""``gtalign data``: build, inspect, check and mix files of questions."""

import typer

from gtalign.cli.data import build, check, inspect, mix

__all__: list[str] = []  # a program: nothing here is called from Python

app = typer.Typer(add_completion=False)


@app.callback()
def command() -> None:
    r"""Build, inspect, check and mix files of questions in verl's schema.

    Examples:
        gtalign data build                                (lists the sets)
        gtalign data build ambig_qa --to data
        gtalign data inspect data/ambig_qa-train.parquet
        gtalign data check data/ambig_qa-train.parquet \
            --test data/ambig_qa-test.parquet
        gtalign data mix data/*-train.parquet --to mix-train.parquet \
            --set temperature=2
    """


for name, module in (("build", build), ("inspect", inspect), ("check", check), ("mix", mix)):
    app.command(name)(module.command)
