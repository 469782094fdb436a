"""``gtalign audit-policy``: what does a pricing policy pay the provider for?"""

from typing import Annotated

import typer

from gtalign.cli import options
from gtalign.cli.show.incentives import print_incentives
from gtalign.cli.show.result import print_json
from gtalign.config import load_table
from gtalign.game.file import load_game
from gtalign.steering import load_policy, policy_names
from gtalign.steering.incentives import audit_policies, meanings
from gtalign.steering.policy import Price


def command(
    policies: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[POLICY]...",
            help="Policy files, or names of built-in policies; by default all built-in ones.",
        ),
    ] = None,
    padding: Annotated[
        float,
        typer.Option(min=0, max=1, help="Tokens added or left out, as a share of the answer."),
    ] = 0.1,
    compute: Annotated[
        tuple[float, float] | None,
        typer.Option(
            metavar="INPUT OUTPUT",
            help="What a million tokens cost the provider. By default the price of a policy under"
            " which the provider pays, otherwise 0.3 and 1.5.",
        ),
    ] = None,
    game: options.Game = None,
    as_json: options.AsJson = False,
) -> None:
    """Show whether a pricing policy pays the provider for padding or needless turns.

    Four acts are compared with the honest answer: to report more tokens than
    were written, to write more or less than is needed, and to ask although
    nothing is unclear. In another game (--game), every action but the full
    answer takes the place of asking. Amounts are in units of currency for
    1,000 answers.

    Examples:
        gtalign audit-policy per-token subscription
        gtalign audit-policy per-token --game coding
    """
    cost = None
    if compute is not None:
        cost = load_table(Price, {"input": compute[0], "output": compute[1]}, "--compute")
    chosen = [load_policy(name) for name in policies or policy_names()]
    form = load_game(game)
    found = audit_policies(chosen, form, padding=padding, compute=cost)
    if as_json:
        print_json({"acts": [one.to_json() for one in found]})
    else:
        print_incentives(chosen, found, meanings(form))
