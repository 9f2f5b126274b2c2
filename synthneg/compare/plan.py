"""What a comparison trains and measures, read from its file: the settings of each arm, checked before any work."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthneg.config import ArmConfig, CompareConfig, RunConfig
from synthneg.errors import SettingsError
from synthneg.evaluate.collection import check_collection
from synthneg.evaluate.compare import MEAN, check_names_differ
from synthneg.evaluate.measure import parse
from synthneg.mine.arms import Mixture, count_of, mixture_of
from synthneg.scoring.encoder import check_model
from synthneg.settings import apply, read_mapping, resolve, resolve_as

NONE = "none"  # negatives that there are none of


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to train.

    Attributes:
        name: in the table.
        config: of a run, with the section train that is the arm's.
        negatives: as the file has them; None: the documents of the run's examples as they are.
        mixture: the negatives of a query by source; None where they are not taken by source.
        amount: share of the passages.
        prompts: whose queries alone are trained on; empty: those of all.
    """

    name: str
    config: RunConfig
    negatives: str | None
    mixture: Mixture | None
    amount: float
    prompts: tuple[str, ...]

    @property
    def student(self) -> tuple[str, int]:
        """The model that is trained, and how many tokens of a text it reads: what its base row is measured of."""
        return self.config.train.base_model, self.config.train.max_length


@dataclass(frozen=True, slots=True)
class Plan:
    """A comparison, checked."""

    name: str
    run: RunConfig  # that queries and positives come from
    config: RunConfig  # the same, measured as the file says
    settings: CompareConfig
    arms: tuple[Arm, ...]
    collections: tuple[tuple[Path, str], ...]  # folder and split
    curve: tuple[str, ...]  # the arms of the learning curve, by rising amount; empty: none

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds that each arm is trained with."""
        return self.settings.seeds


def read_file(path: Path, changes: Sequence[str]) -> CompareConfig:
    """Return the settings of the file `path`, with each `key=value` of `changes` applied.

    Raises:
        SettingsError: no such file, not YAML, an unknown key, or a value out of bounds.
    """
    values = read_mapping(
        path, "compare, run and arms", "docs/reference/compare.md has one to begin with"
    )
    apply(values, changes)
    # An arm or a section whose every line is commented out has nothing of its own.
    values = {
        key: {} if value is None and key in ("evaluate", "settings") else value
        for key, value in values.items()
    }
    if isinstance(values.get("arms"), dict):
        values["arms"] = {str(name): arm or {} for name, arm in values["arms"].items()}
    return resolve_as(CompareConfig, values, str(path))


def plan(settings: CompareConfig, config: RunConfig, where: str) -> Plan:
    """Return what the settings ask for, over a run with the settings `config`.

    Args:
        settings: of the comparison.
        config: of the run that queries and positives come from.
        where: names the file in an error.

    Raises:
        SettingsError: an arm, a measure or a collection that makes no sense.
        CollectionError: a collection is missing or broken.
        ModelError: a model is a folder without one.
    """
    measured = resolve(_merged(config, {"evaluate": settings.evaluate}), where)
    per_query = _per_query(settings, config, where)
    declared = _declared(settings, where)
    split = measured.evaluate.split
    collections = tuple(_place(text, split) for text in measured.evaluate.collections)
    measured = _plain(measured, collections)
    arms = tuple(
        _arm(name, own, settings.settings, measured, per_query, f"{where}: arms.{name}")
        for name, own in declared.items()
    )
    found = Plan(settings.compare, config, measured, settings, arms, collections, _curve(settings))
    _check(found, where)
    return found


def _plain(config: RunConfig, collections: Sequence[tuple[Path, str]]) -> RunConfig:
    """Return the settings with the collections as those of a run, which have one split: that of most."""
    splits = [split for _, split in collections]
    most = max(splits, key=splits.count, default=config.evaluate.split)
    folders = tuple(str(folder) for folder, split in collections if split == most)
    own = config.evaluate.model_copy(update={"collections": folders, "split": most})
    return config.model_copy(update={"evaluate": own})


def _check(found: Plan, where: str) -> None:
    if not found.collections:
        raise SettingsError(
            f"{where}: evaluate.collections: expected a BEIR folder, and neither the file nor the run names one"
        )
    parse(found.config.evaluate.measures)
    check_names_differ([MEAN, *(folder.resolve().name for folder, _ in found.collections)])
    for folder, split in found.collections:
        check_collection(folder, split)
    for name in dict.fromkeys(name for arm in found.arms for name in arm.config.train.models):
        check_model(name)


def _place(text: str, split: str) -> tuple[Path, str]:
    folder, colon, other = text.rpartition(":")
    named = bool(colon) and not Path(text).exists()
    return (Path(folder), other) if named else (Path(text), split)


def _declared(settings: CompareConfig, where: str) -> dict[str, ArmConfig]:
    """Return the arms of the file with those of the learning curve, whose own arm is the one of all passages."""
    arms = dict(settings.arms)
    if settings.curve:
        of = _curve_of(settings)
        whole = arms[of].amount or settings.settings.amount or 1.0
        if whole < 1:
            raise SettingsError(
                f"{where}: curve: expected an arm of all passages, but {of} has the amount {whole}; leave that out"
            )
        for amount in sorted(settings.curve):
            name = _name_at(of, amount)
            if amount < 1 and name in arms:
                raise SettingsError(f"{where}: curve: the arm {name} is declared, too; rename that")
            if amount < 1:
                arms[name] = arms[of].model_copy(update={"amount": amount})
    return arms


def _curve(settings: CompareConfig) -> tuple[str, ...]:
    if not settings.curve:
        return ()
    of = _curve_of(settings)
    less = [_name_at(of, amount) for amount in sorted(settings.curve) if amount < 1]
    return (*less, of)


def _curve_of(settings: CompareConfig) -> str:
    return settings.curve_of or next(iter(settings.arms))


def _name_at(arm: str, amount: float) -> str:
    return f"{arm}-{amount:g}"


def _per_query(settings: CompareConfig, config: RunConfig, where: str) -> int:
    """Return how many negatives a query gets in each arm that takes them by source."""
    texts = {
        name: arm.negatives or settings.settings.negatives or NONE
        for name, arm in settings.arms.items()
    }
    counts = {name: count_of(text) for name, text in texts.items()}
    known = {name: count for name, count in counts.items() if count is not None}
    if len(set(known.values())) > 1:
        told = ", ".join(f"{name} {count} ({texts[name]})" for name, count in known.items())
        raise SettingsError(
            f"{where}: expected as many negatives a query in every arm, got {told}; change their counts so that each"
            " comes to the same, since arms differ in where negatives come from, not in their number"
        )
    default = settings.settings.train.get("negatives", config.train.negatives)
    return next(iter(known.values()), default if isinstance(default, int) and default else 1)


def _arm(
    name: str, own: ArmConfig, common: ArmConfig, config: RunConfig, per_query: int, where: str
) -> Arm:
    negatives = own.negatives if own.negatives is not None else common.negatives
    train = _over(deepcopy(common.train), own.train)
    mixture = None
    if negatives is not None:
        try:
            mixture = {} if negatives == NONE else mixture_of(negatives, per_query)
        except SettingsError as error:
            raise SettingsError(f"{where}: negatives: {error}, or {NONE}") from error
        wanted = sum(mixture.values())
        if own.train.get("negatives", wanted) != wanted:
            raise SettingsError(
                f"{where}: train.negatives: expected {wanted}, as its negatives {negatives} come to, got"
                f" {own.train['negatives']}; leave it out"
            )
        train["negatives"] = wanted
    merged = resolve(_merged(config, {"train": train}), where)
    amount = own.amount or common.amount or 1.0
    return Arm(name, merged, negatives, mixture, amount, own.prompts or common.prompts or ())


def _merged(config: RunConfig, sections: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a run with these values in their place."""
    values = config.model_dump(mode="json")
    return _over(values, sections)


def _over(values: dict[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in others.items():
        if isinstance(value, Mapping) and isinstance(values.get(key), dict):
            _over(values[key], value)
        else:
            values[key] = value
    return values
