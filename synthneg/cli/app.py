"""All commands under one name. Their files import what they need when they are called, so that help is quick."""

import typer

from synthneg.cli import (
    compare,
    data,
    demo,
    doctor,
    import_,
    init,
    inspect,
    mine,
    plan,
    prompts,
    publish,
    reparse,
    report,
    review,
    run,
)

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
app.command(short_help="the whole path on this machine alone")(demo.demo)
app.command(short_help="write a settings file, or those behind a dataset")(init.init)
app.command("import", short_help="a dataset of your own as a run")(import_.import_dataset)
app.command(short_help="what a run will cost and take")(plan.plan)
app.command(short_help="all stages, or those still missing")(run.run)
app.command(short_help="ask the language model")(run.generate)
app.command(short_help="take negatives from the corpus, or write arms")(mine.mine)
app.command(short_help="check queries and documents")(run.verify)
app.command(short_help="parse all replies anew, without asking")(reparse.reparse)
app.command(short_help="a person's answers about a sample, and what they say")(review.review)
app.command(short_help="make the dataset and its card")(run.export)
app.command(short_help="train the retriever")(run.train)
app.command(short_help="models against each other")(data.evaluate)
app.command(short_help="what is wrong with a training")(doctor.doctor)
app.command(short_help="arms of a run, or runs, against each other")(compare.compare)
app.command(short_help="dataset and model to the Hub")(publish.publish)
app.command(short_help="a run as one page")(report.report)
app.command(short_help="the books of a run")(inspect.status)
app.command(short_help="where one record comes from")(inspect.show)
app.add_typer(prompts.app, name="prompts", short_help="list, fill in, compare and check prompts")
