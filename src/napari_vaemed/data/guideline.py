"""What a follow-up guideline is asked and what it answers: facts, questions, rules and a trace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from napari_vaemed.data.interval import Interval

DENSITIES = ("solid", "part-solid", "ground-glass", "calcified")
CATEGORIES = ("1 or 2", "3", "4A", "4B or 4X")


@dataclass(frozen=True)
class NoduleFacts:
    """What was measured of one nodule, as far as guidelines ask for it.

    Parameters
    ----------
    density : str
        One of `DENSITIES`.
    mean_mm : Interval
        Mean of the longest axis and its perpendicular on one slice.
    volume_mm3 : Interval or None
    solid_mm, solid_mm3 : Interval or None
        Mean diameter and volume of a part-solid nodule's solid part.
    before_mm : Interval or None
        Its mean diameter on an earlier scan.
    months : float or None
        Time between the two scans.
    """

    density: str
    mean_mm: Interval
    volume_mm3: Interval | None = None
    solid_mm: Interval | None = None
    solid_mm3: Interval | None = None
    before_mm: Interval | None = None
    months: float | None = None

    def __post_init__(self) -> None:
        if self.density not in DENSITIES:
            raise ValueError(f"A density is one of {', '.join(DENSITIES)}; got {self.density!r}.")
        if (self.before_mm is None) != (self.months is None):
            raise ValueError("An earlier diameter needs the months since then, and the reverse.")
        if self.months is not None and self.months <= 0:
            raise ValueError(f"The months between two scans must be positive; got {self.months}.")


@dataclass(frozen=True)
class Context:
    """What pictures do not tell: answers to `QUESTIONS`, None where nobody has answered yet.

    Holds no identity; the first seven are about the patient and the scan, the rest about one
    nodule.
    """

    setting: str | None = None
    age_35: bool | None = None
    cancer: bool | None = None
    immune: bool | None = None
    risk: str | None = None
    several: bool | None = None
    scan: str | None = None
    complete: bool | None = None
    infection: bool | None = None
    lesion: str | None = None
    pattern: str | None = None
    history: str | None = None
    solid_grows: bool | None = None
    before: str | None = None
    waited: bool | None = None
    suspicious: bool | None = None

    def __post_init__(self) -> None:
        for each in fields(self):
            answer, allowed = getattr(self, each.name), QUESTIONS[each.name].answers
            if answer is not None and answer not in allowed:
                raise ValueError(
                    f"{each.name!r} is one of {', '.join(map(repr, allowed))}; got {answer!r}."
                )

    @classmethod
    def of(cls, answers: Mapping[str, object]) -> Context:
        """From answers by key.

        Raises
        ------
        ValueError
            When there is no such question, or no such answer to it.
        """
        unknown = set(answers) - set(QUESTIONS)
        if unknown:
            raise ValueError(
                f"No guideline asks for {', '.join(sorted(unknown))}; they ask for "
                f"{', '.join(QUESTIONS)}."
            )
        return cls(**answers)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Question:
    """Something only a person can answer.

    Parameters
    ----------
    key : str
        The field of `Context` it fills.
    text : str
    choices : tuple of (answer, words)
    about : "patient" or "nodule"
        Whom the answer holds for.
    """

    key: str
    text: str
    choices: tuple[tuple[str | bool, str], ...]
    about: str = "patient"

    @property
    def answers(self) -> tuple[str | bool, ...]:
        """What may be answered."""
        return tuple(answer for answer, _ in self.choices)


@dataclass(frozen=True)
class Rule:
    """One line of a published table.

    Parameters
    ----------
    name : str
        Which line.
    next : str
        What it says is to be done.
    source : str
        Paper and table.
    category : str or None
        Where the guideline has categories.
    confirmed : bool
        False where the line could not be compared with the original.
    """

    name: str
    next: str
    source: str
    category: str | None = None
    confirmed: bool = True


@dataclass(frozen=True)
class Step:
    """One link of a trace: what was looked at, and what followed.

    ``number`` is what a threshold was laid on, in ``unit``; None for an answer.
    """

    what: str
    followed: str
    number: Interval | None = None
    unit: str = ""
    straddles: bool = False


@dataclass(frozen=True)
class Guidance:
    """A guideline's answer on one nodule.

    Parameters
    ----------
    guideline : str
    rules : tuple of Rule
        The line that fired on the measured numbers; then those that would fire elsewhere inside
        their 95 % intervals. Empty when something has to be asked first, or nothing applies.
    trace : tuple of Step
    asks : tuple of Question
        What has to be answered first.
    refused : str or None
        Why the guideline has no answer.
    """

    guideline: str
    rules: tuple[Rule, ...] = ()
    trace: tuple[Step, ...] = ()
    asks: tuple[Question, ...] = ()
    refused: str | None = None

    @property
    def rule(self) -> Rule | None:
        """The line that fired on the measured numbers."""
        return self.rules[0] if self.rules else None

    @property
    def straddles(self) -> bool:
        """Whether another line would fire inside the numbers' intervals."""
        return len(self.rules) > 1


_YES_NO: tuple[tuple[str | bool, str], ...] = ((True, "Yes"), (False, "No"))

QUESTIONS: dict[str, Question] = {
    question.key: question
    for question in (
        Question(
            "setting",
            "Why was the scan made?",
            (
                ("incidental", "Another reason: the nodule is an incidental finding"),
                ("screening", "Lung cancer screening"),
            ),
        ),
        Question("age_35", "Is the patient 35 years or older?", _YES_NO),
        Question("cancer", "Is a cancer known?", _YES_NO),
        Question("immune", "Is the immune system suppressed?", _YES_NO),
        Question(
            "risk",
            "How high is the risk of lung cancer (smoking, family, emphysema, fibrosis, upper "
            "lobe, spiculation)?",
            (("low", "Low"), ("high", "High")),
        ),
        Question("several", "Is there more than one nodule?", _YES_NO),
        Question(
            "scan",
            "Which scan is this?",
            (
                ("baseline", "The first one (baseline)"),
                ("follow-up", "A later one, compared with an earlier one"),
                ("prior being located", "An earlier one exists and is being located"),
            ),
        ),
        Question("complete", "Are both lungs shown from end to end?", _YES_NO),
        Question(
            "infection",
            "Does the scan suggest infection or inflammation (consolidation, more than six new "
            "nodules, a large one in a short time)?",
            _YES_NO,
        ),
        Question(
            "lesion",
            "What kind of nodule is it?",
            (
                ("lung", "In the lung"),
                (
                    "juxtapleural",
                    "At the pleura or a fissure, smooth, oval, lentiform or triangular",
                ),
                ("airway", "In an airway"),
                ("cyst", "An atypical cyst"),
            ),
            "nodule",
        ),
        Question(
            "pattern",
            "How is it calcified?",
            (
                ("benign", "Completely, in the centre, like popcorn or in rings; or it holds fat"),
                ("other", "Otherwise"),
            ),
            "nodule",
        ),
        Question(
            "history",
            "What was there on the earlier scan?",
            (
                ("new", "Nothing: it is new"),
                ("stable", "The same or a larger one: it is stable or smaller"),
                ("crossed", "A smaller one, of a lower size class; up by 1.5 mm a year at most"),
                (
                    "growing",
                    "A smaller one: its mean diameter is up by more than 1.5 mm within 12 months",
                ),
            ),
            "nodule",
        ),
        Question("solid_grows", "Is its solid part new or growing?", _YES_NO, "nodule"),
        Question(
            "before",
            "What was its category on the earlier scan?",
            tuple((category, category) for category in CATEGORIES),
            "nodule",
        ),
        Question(
            "waited",
            "Are 6 months (category 3) or 3 months (category 4A) over since then?",
            _YES_NO,
            "nodule",
        ),
        Question(
            "suspicious",
            "Do further features raise suspicion (spiculation, lymph nodes, …)?",
            _YES_NO,
            "nodule",
        ),
    )
}
"""All that guidelines may ask, by the field of `Context` the answer goes to."""
