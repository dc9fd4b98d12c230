"""What an ablation compares, as data: rows of changes, each on top of another, and what each scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from maskstream.errors import InputError
from maskstream.network.config import NetworkConfig
from maskstream.network.presets import preset
from maskstream.plain_data import from_plain
from maskstream.training.config import TrainConfig

Fields = dict[str, Any]


@dataclass(frozen=True)
class Testing:
    """How a trained network is used on the sequences that it is scored on.

    Attributes:
        scales: sizes of its runs, as multiples of the plan's size.
        flip: run it on mirrored frames too.
        ensemble: earlier rows whose networks, of the same seed, take part; all runs count equally.
    """

    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    ensemble: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.scales or min(self.scales) <= 0:
            raise InputError(f"ablation: scales are {list(self.scales)}; give one or more above 0")


@dataclass(frozen=True)
class AblationRow:
    """One row of the table: what it changes of the row that it builds on.

    Attributes:
        name: of its folder.
        title: what the table calls it; empty: its name.
        network: fields of ``NetworkConfig``.
        training: fields of ``TrainConfig``.
        testing: fields of ``Testing``. A row that changes nothing else isn't trained: it takes the weights of
            the row that it builds on.
        after: the row that it builds on and is compared with; empty: the one before.
    """

    name: str
    title: str = ""
    network: Fields = field(default_factory=dict)
    training: Fields = field(default_factory=dict)
    testing: Fields = field(default_factory=dict)
    after: str = ""

    def __post_init__(self) -> None:
        if not self.name or not all(c.isalnum() or c in "-_+." for c in self.name) or self.name[0] == ".":
            raise InputError(
                f"ablation row {self.name!r}: its name is one of a folder; use letters, digits, - and _"
            )


@dataclass(frozen=True)
class AblationPlan:
    """All rows, and what they have in common.

    Attributes:
        rows: in the order of the table.
        preset: the network that they change.
        network: changes of it that all have in common.
        training: the same for ``TrainConfig``.
        size: short side, in pixels, that frames are shrunk to for scoring; None: the network's default.
    """

    rows: tuple[AblationRow, ...]
    preset: str = "live"
    network: Fields = field(default_factory=dict)
    training: Fields = field(default_factory=dict)
    size: int | None = None

    def __post_init__(self) -> None:
        names = [row.name for row in self.rows]
        if not names:
            raise InputError("ablation plan: it has no rows")
        if repeated := next((name for name in names if names.count(name) > 1), None):
            raise InputError(f"ablation plan: two rows are called {repeated!r}; rename one")

    def to_dict(self) -> Fields:
        """Plain data, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Fields) -> AblationPlan:
        """The plan that ``to_dict`` described.

        Raises:
            InputError: a field is unknown, missing or has an impossible value.
        """
        return from_plain(cls, data, "ablation plan")


@dataclass(frozen=True)
class Setup:
    """A row with everything that it inherits.

    Attributes:
        name: of the row.
        title: what the table calls it.
        network: what is trained.
        training: how, but for the seed.
        testing: how it is used.
        after: the row that it is compared with, or None for the first.
        trained_as: the row whose weights it uses, which is itself if it is trained.
        members: the rows whose weights are used in testing, its own first.
    """

    name: str
    title: str
    network: NetworkConfig
    training: TrainConfig
    testing: Testing
    after: str | None
    trained_as: str
    members: tuple[str, ...]


# Parts of the network of the DAVIS 2020 winner, one by one, at a scale that two CPU cores train in minutes.
DEFAULT_PLAN = AblationPlan(
    preset="live",
    network={
        # A plain trunk from scratch, so that all rows' trunks start alike.
        "backbone": "plain",
        "trunk_widths": [16, 32, 64, 128],
        "trunk_depths": [0, 1, 2, 3],
        "pretrained": False,
        "trunk_norm": True,
        "spatial_constraint": False,
        "aspp": False,
        "refinement": False,
        "previous_mask_skip": False,
    },
    training={
        "steps": 500,
        "warm_up": 50,
        "stages": [{"until": 1.0, "size": [128, 144], "batch": 8, "frames": 3, "video_fraction": 0.35}],
        # As large, on the mean, as in the row that makes it grow and shrink.
        "skip": {"fractions": [0.0], "skips": [18]},
        "save_minutes": 2,
    },
    size=192,
    rows=(
        AblationRow("stm", "STM baseline"),
        AblationRow("spatial", "+ spatial constraint", {"spatial_constraint": True}),
        AblationRow("aspp", "+ ASPP", {"aspp": True}),
        AblationRow("refinement", "+ refinement", {"refinement": True}),
        AblationRow("strategy", "+ training strategy", training={"skip": asdict(TrainConfig(steps=1).skip)}),
        AblationRow(
            "resnest",
            "+ ResNeSt",
            {
                # As wide and as deep as the plain trunk, and about as quick.
                "backbone": "resnest14d",
                "backbone_options": {
                    "channels": [8, 16, 32, 64],
                    "layers": [1, 2, 3, 1],
                    "stem_width": 8,
                    "base_width": 128,
                },
            },
        ),
        AblationRow("multi-scale", "+ multi-scale testing", testing={"scales": [0.75, 1.0, 1.25]}),
        AblationRow("ensemble", "+ ensemble", testing={"ensemble": ["strategy"]}),
    ),
)


def resolve(plan: AblationPlan, steps: int | None = None) -> tuple[Setup, ...]:
    """Every row with what it inherits.

    Args:
        plan: the rows.
        steps: length of each training; None: the plan's.

    Raises:
        InputError: a row names another that is no earlier one, or a field is unknown or impossible.
    """
    setups: dict[str, Setup] = {}
    network = _merged(preset(plan.preset).to_dict(), plan.network)
    training: Fields = _merged(plan.training, {} if steps is None else {"steps": steps, "minutes": None})
    first = Setup("", "", _network(network, "plan"), _training(training, "plan"), Testing(), None, "", ())
    before = ""
    for row in plan.rows:
        base = setups.get(row.after or before, first)
        for other in (row.after, *row.testing.get("ensemble", ())):
            if other and other not in setups:
                raise InputError(f"ablation row {row.name!r}: {other!r} is no earlier row")
        name = f"row {row.name!r}"
        is_trained = base is first or bool(row.network or row.training)
        changes = {**row.network, "name": row.name} if is_trained else {}
        testing = from_plain(Testing, _merged(asdict(base.testing), row.testing), f"ablation {name}: testing")
        trained_as = row.name if is_trained else base.trained_as
        others = (setups[other].trained_as for other in testing.ensemble)
        setups[row.name] = Setup(
            name=row.name,
            title=row.title or row.name,
            network=_network(_merged(base.network.to_dict(), changes), name),
            training=_training(_merged(base.training.to_dict(), row.training), name),
            testing=testing,
            after=base.name or None,
            trained_as=trained_as,
            members=tuple(dict.fromkeys((trained_as, *others))),
        )
        before = row.name
    return tuple(setups.values())


def _network(fields: Fields, where: str) -> NetworkConfig:
    return from_plain(NetworkConfig, fields, f"ablation {where}: network")


def _training(fields: Fields, where: str) -> TrainConfig:
    return replace(from_plain(TrainConfig, fields, f"ablation {where}: training"), seed=0)


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> Fields:
    """Changes on top of fields, in nested ones too."""
    merged = dict(base)
    for name, value in changes.items():
        old = merged.get(name)
        merged[name] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


@dataclass(frozen=True)
class RunScores:
    """What one row with one seed scored; kept as ``scores.json``.

    Attributes:
        row: its name.
        seed: of its training.
        settings: what the scores depend on besides: testing, weights and sequences; others don't compare.
        parameters: of all its networks.
        training_minutes: of its own network; 0 if it takes the weights of another row.
        scoring_minutes: it took to score.
        milliseconds: mean over sequences of the median time of a step.
        j: J over the objects of all sequences.
        f: the same of F.
        jf: their mean.
        baselines: J&F of copying masks, by name.
        sequences: for each sequence J, F, J&F, ms/frame, and J and F of each object by its id.
    """

    row: str
    seed: int
    settings: Fields
    parameters: int
    training_minutes: float
    scoring_minutes: float
    milliseconds: float
    j: float
    f: float
    jf: float
    baselines: dict[str, float]
    sequences: dict[str, Fields]


@dataclass(frozen=True)
class RowResult:
    """A row over its seeds.

    Attributes:
        setup: the row.
        scores: of each seed that is done, in order.
        gains: differences in J&F to the row that it is compared with: seed by seed where both have the same
            weights, else of every seed with every other, as two networks have no randomness in common.
        gain: difference of the means over seeds, or None if that row is not done.
        verdict: what the gains allow to say.
    """

    setup: Setup
    scores: tuple[RunScores, ...]
    gains: tuple[float, ...]
    gain: float | None
    verdict: str

    def mean(self, name: str) -> float:
        """Mean over seeds of a field of ``RunScores``."""
        return sum(float(getattr(score, name)) for score in self.scores) / len(self.scores)


def compare(setups: Sequence[Setup], scores: Sequence[RunScores]) -> list[RowResult]:
    """The rows that have scores, each compared with the one that it builds on.

    A part helps (or doesn't) if the gain has the same sign whichever seeds are compared; otherwise it is
    within the spread, and more seeds or a longer training are needed to tell.
    """
    by_row = {s.name: sorted((x for x in scores if x.row == s.name), key=lambda x: x.seed) for s in setups}
    trained_as = {s.name: s.trained_as for s in setups}
    results = []
    for setup in setups:
        own, base = by_row[setup.name], by_row.get(setup.after or "", [])
        if not own:
            continue
        paired = setup.trained_as == trained_as.get(setup.after or "")
        gains = tuple(a.jf - b.jf for a in own for b in base if not paired or a.seed == b.seed)
        gain = _mean_jf(own) - _mean_jf(base) if gains else None
        results.append(RowResult(setup, tuple(own), gains, gain, _verdict(gains, len(own))))
    return results


def _mean_jf(scores: Sequence[RunScores]) -> float:
    return sum(score.jf for score in scores) / len(scores)


def _verdict(gains: Sequence[float], seeds: int) -> str:
    if not gains:
        return ""
    if seeds < 2:
        return "one seed: can't say"
    if min(gains) > 0:
        return "helps"
    return "doesn't help" if max(gains) <= 0 else "within the spread"
