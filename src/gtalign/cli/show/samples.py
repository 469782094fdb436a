"""The samples and configurations that come with the package, on a terminal."""

from rich.console import Console
from rich.text import Text

from gtalign.config import shipped
from gtalign.data.samples import KINDS, SAMPLES
from gtalign.steering import policy_names


def print_samples(console: Console) -> None:
    """Print each sample with a command to try on it, then the configurations by their option."""
    console.print(Text("sample files", style="bold"))
    for name, sample in SAMPLES.items():
        console.print(Text(f"  {name}: {sample.holds}"))
        console.print(Text(f"      {sample.command}", style="dim"))
    console.print(Text("configurations", style="bold"))
    for kind, option in KINDS.items():
        console.print(Text(f"  {option} {' | '.join(shipped(kind))}"), soft_wrap=True)
    names = " | ".join(policy_names())
    console.print(Text(f"  gtalign steer MODEL --policy {names}"), soft_wrap=True)
    console.print(Text("`gtalign examples --to samples` copies all of them into a folder."))
