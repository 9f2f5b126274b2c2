"""All commands under one name. Their files import what they need when they are called, so that help is quick."""

import typer

from synthneg.cli import data, demo, init, inspect, prompts, run

# Plain help: rich would double the time until the first line.
app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Turn documents into training data for retrieval with an LLM, and measure what the data is worth.",
    epilog="Begin with `synthneg demo`, or `synthneg init` for your own documents.",
)
app.command()(demo.demo)
app.command()(init.init)
app.command()(run.run)
app.command()(run.generate)
app.command()(run.verify)
app.command()(run.export)
app.command()(run.train)
app.command()(data.evaluate)
app.command()(data.publish)
app.command()(inspect.status)
app.command()(inspect.show)
app.add_typer(prompts.app, name="prompts")
