"""What a pricing policy pays the provider for, as a table."""

from collections.abc import Mapping, Sequence

import typer

from gtalign.cli.show.table import plain_table, print_table, wide_console
from gtalign.steering import Incentive, Policy


def print_incentives(
    policies: Sequence[Policy], found: Sequence[Incentive], meaning: Mapping[str, str]
) -> None:
    """Print what each act brings the provider, against the honest answer, and why it pays.

    Args:
        policies: The policies.
        found: The acts under each policy.
        meaning: The meaning of each act.
    """
    table = plain_table(["quota", "the provider", "user pays", "costs", "gain", "pays"], "policy")
    table.add_column("why")
    for one in found:
        # No amount is shown as -0.000.
        amounts = (f"{round(amount, 3) + 0.0:+.3f}" for amount in (one.paid, one.cost, one.gain))
        pays = "yes" if one.pays else "no"
        table.add_row(one.policy, one.quota or "", meaning[one.act], *amounts, pays, one.why or "")
    print_table(wide_console(), "against the honest answer, for 1,000 answers", table)
    for policy in policies:
        paying = [meaning[one.act] for one in found if one.policy == policy.name and one.pays]
        verdict = "the honest answer is the provider's best response"
        if paying:  # an act that pays within the quota and above it is named once
            verdict = f"pays a provider that {', '.join(dict.fromkeys(paying))}"
        typer.echo(f"{policy.name}: {verdict}")
