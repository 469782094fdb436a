"""What the commands of a study print."""

from pathlib import Path

import typer

from gtalign.study import Sample, StudyFolder


def print_sample(folder: Path, sample: Sample) -> None:
    """Print what was drawn, and what should be known of it."""
    kinds = [item.kind for item in sample.items]
    typer.echo(
        f"{folder}: {sample.questions} questions, {kinds.count('rating')} answers of"
        f" {len(sample.models)} models to rate, {kinds.count('pair')} pairs to choose from"
    )
    for count, what in (
        (sample.short, "questions fewer than asked for: every model answered no more"),
        (sample.left_out, "questions left out, since not every model answered them"),
        (sample.alike, "questions without a pair, since all their answers are alike"),
        (sample.whole, "answers without a readable response: annotators see the whole text"),
        (sample.naming, "answers that contain the name of their model: read these first"),
    ):
        if count:
            typer.echo(f"  {count} {what}")
    typer.echo(f"next: gtalign study rate {folder}")


def show_link(study: StudyFolder, link: str) -> None:
    """Print the link for annotators, once the page is served."""
    kinds = [item.kind for item in study.items.values()]
    print(
        f"{study.about.title}: {kinds.count('rating')} answers to rate,"
        f" {kinds.count('pair')} pairs to choose from\nopen {link}",
        flush=True,  # whoever waits for the link at the end of a pipe gets it now
    )
