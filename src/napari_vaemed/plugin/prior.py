"""An earlier scan beside the CT: laid on it, scrolled with it, its findings paired with its own.

The prior is shown on the CT's own voxels, one picture's width further to the right in the world:
one canvas with one slider shows both, so they cannot come apart, and every view that cuts the
world, the side canvases' too, cuts them alike.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from napari_vaemed.data.finding import ErrorBars, Measurement
from napari_vaemed.data.pairing import Sized
from napari_vaemed.plugin import prior_work
from napari_vaemed.plugin.cases import Case, Finding, free_label
from napari_vaemed.plugin.layers import placement
from napari_vaemed.plugin.theme import MIDDLE, finding_colour

if TYPE_CHECKING:
    from napari_vaemed.plugin.jobs import Job
    from napari_vaemed.plugin.session import Session
    from napari_vaemed.workflow.prior import Followed

TOPIC, LANE = "findings", "prior"
PICTURE, OUTLINES = "Prior", "Prior findings"
"""What its layers are made as."""
GAP = 0.04
"""Between the two pictures, as a share of their width."""
DAYS_A_MONTH = 365.25 / 12


@dataclass(eq=False)
class Link:
    """A CT's prior.

    Parameters
    ----------
    prior : Case
    laid : Laid or None
        None until the two lie on each other.
    days : float or None
        Between the scans.
    by_hand : dict
        What a person paired: number of a finding to one of the prior's, or to None.
    """

    prior: Case
    laid: prior_work.Laid | None = None
    days: float | None = None
    by_hand: dict[int, int | None] = field(default_factory=dict)


class Prior(QObject):
    """The priors of the CTs in one window.

    Signals
    -------
    changed : nothing; a prior came or went, or what is said of the findings
    """

    changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._links: WeakKeyDictionary[Case, Link] = WeakKeyDictionary()
        self._awaited: Case | None = None
        self.followed: tuple[Followed, ...] = ()
        session.case_changed.connect(self._on_case_changed)
        session.findings_changed.connect(self._on_findings_changed)
        session.viewer.layers.events.removed.connect(self._on_layers)

    @property
    def link(self) -> Link | None:
        """The prior of the CT spoken of."""
        case = self._session.case
        return None if case is None else self._links.get(case)

    def others(self) -> list[Case]:
        """The open CTs that may be its prior."""
        return [case for case in self._session.cases.values() if case is not self._session.case]

    def open(self, path: Path | None = None) -> None:
        """Take the CT that is opened next as the prior of the one spoken of.

        With a path that is opened; without one, whatever the user opens.
        """
        self._awaited = self._session.case
        if path is not None:
            job = self._session.opening.choose(path)
            job.failed.connect(self._on_not_opened)
            job.cancelled.connect(self._on_not_opened)

    def choose(self, prior: Case) -> Job | None:
        """Lay another open CT on the one spoken of, and show it beside."""
        session, case = self._session, self._session.case
        if case is None or prior is case:
            return None
        self.put_away()
        link = self._links[case] = Link(prior)
        session.say(TOPIC)
        paths = tuple(session.opening.came_from(each.layer) for each in (case, prior))
        known: Any = None if None in paths else paths
        task = partial(prior_work.lay, case.volume, prior.volume, (case.lungs, prior.lungs), known)
        job = session.start(case, task, "Laying the prior on the CT", "prior", LANE)
        job.returned.connect(partial(self._on_laid, case, link))
        job.failed.connect(partial(self._on_not_laid, case, link))
        job.cancelled.connect(partial(self._on_not_laid, case, link, None))
        self._hide(prior)
        self.changed.emit()
        return job

    def put_away(self) -> None:
        """Have no prior any more; its CT stays open."""
        case, link = self._session.case, self.link
        if case is None or link is None:
            return
        del self._links[case]
        self._drop_pictures(case)
        self._update()

    def say_days(self, days: float | None) -> None:
        """Say how many days lie between the scans."""
        if self.link is not None:
            self.link.days = days
            self._update()

    def pair(self, current: int, prior: int | None) -> None:
        """Say that two findings are one nodule, or with None that it was not there before."""
        link = self.link
        if link is None:
            return
        if prior is not None:
            link.by_hand = {n: p for n, p in link.by_hand.items() if p != prior}
        link.by_hand[current] = prior
        self._update()

    def unpair(self, current: int) -> None:
        """Leave it to the places again."""
        if self.link is not None:
            self.link.by_hand.pop(current, None)
            self._update()

    def look_for_all(self) -> Job | None:
        """Outline on the prior what lies where the CT has findings that it has none for."""
        case, link = self._session.case, self.link
        if case is None or link is None or link.laid is None:
            return None
        lonely = [each.now for each in self.followed if each.now is not None and not each.before]
        if not lonely:
            self._session.say(TOPIC, "Every finding has its place on the prior.")
            return None
        task = partial(
            prior_work.mark_on_prior,
            link.prior.volume,
            link.laid.transform,
            lonely,
            link.prior.lungs,
        )
        job = self._session.start(case, task, "Looking on the prior", "look on prior", LANE)
        job.returned.connect(partial(self._on_marked, case, link, len(lonely)))
        job.failed.connect(partial(self._session.fail, TOPIC, "Not looked on the prior"))
        return job

    def go_to(self, each: Followed) -> None:
        """Show the slice of a nodule, also of one that the prior alone has."""
        case, link = self._session.case, self.link
        if case is None or link is None or link.laid is None:
            return
        if each.pair.current is not None:
            self._session.findings.select(each.pair.current)
        elif each.before is not None:
            there = link.laid.transform.inverse()(each.before.centre_mm)
            self._session.viewer.dims.set_point(
                range(3), tuple(case.world(case.volume.to_voxel(there)))
            )

    def before(self, label: int) -> tuple[Measurement, ErrorBars | None, float] | None:
        """A finding on the prior, as guidelines ask for it; None where or when is not known."""
        link = self.link
        if link is None or not link.days or link.days <= 0:
            return None
        number = next((e.pair.prior for e in self.followed if e.pair.current == label), None)
        finding = next((f for f in link.prior.findings if f.label == number), None)
        if finding is None:
            return None
        bars = link.prior.bars_of(finding)
        return finding.marked.measurement, bars, link.days / DAYS_A_MONTH

    # What happens

    def _on_case_changed(self) -> None:
        case, awaited = self._session.case, self._awaited
        if case is not None and awaited is not None and case is not awaited:
            self._awaited = None
            # napari makes a new layer the active one after everybody was told of it
            QTimer.singleShot(0, partial(self._on_opened, awaited, case))
        self._update()

    def _on_opened(self, current: Case, prior: Case) -> None:
        cases = list(self._session.cases.values())
        if current in cases and prior in cases:
            self._session.viewer.layers.selection.active = current.layer
            self.choose(prior)

    def _on_not_opened(self, failure: Any = None) -> None:
        self._awaited = None

    def _on_layers(self, event: Any) -> None:
        """A prior's CT was removed: what was shown of it goes too."""
        gone = [case for case, link in self._links.items() if link.prior.layer is event.value]
        for case in gone:
            del self._links[case]
            self._session.jobs.cancel_channel(("prior", case))
            # napari may be in the middle of removing several layers
            QTimer.singleShot(0, partial(self._drop_pictures, case))
        if gone:
            self._update()

    def _on_laid(self, case: Case, link: Link, laid: prior_work.Laid) -> None:
        if self._links.get(case) is not link:
            return
        link.laid, link.days = laid, laid.days
        said = prior_work.doubts(case.volume, link.prior.volume, laid.days)
        like = laid.transform.likeness
        text = f"The prior lies on the CT (correlation of the lungs {like:.2f})."
        self._session.say(TOPIC, " ".join((*said, text)), "warning" if said else "info")
        self._show_beside(case, laid)
        self._update()

    def _on_not_laid(self, case: Case, link: Link, failure: Any) -> None:
        if self._links.get(case) is not link:
            return  # another prior was chosen meanwhile
        del self._links[case]
        if failure is not None:
            self._session.fail(TOPIC, "The prior cannot be laid on the CT", failure)
        self._update()

    def _on_marked(self, case: Case, link: Link, asked: int, found: tuple[Any, ...]) -> None:
        prior, new = link.prior, list[Finding]()
        for marked in found:
            if not any(f.marked.mask.same_as(marked.mask) for f in (*prior.findings, *new)):
                new.append(Finding(free_label((*prior.findings, *new)), marked))
        if new:
            self._session.findings.put(prior, (*prior.findings, *new))
        self._session.say(TOPIC, f"{len(new)} of {asked} were found on the prior.")

    def _on_findings_changed(self) -> None:
        for case, link in list(self._links.items()):
            self._hide(link.prior)
            if case is self._session.case:
                self._update()

    def _update(self) -> None:
        """Pair anew, and show the prior's outlines."""
        case, link = self._session.case, self.link
        self.followed = ()
        if case is not None and link is not None and link.laid is not None:
            now, before = _sized(case), _sized(link.prior)
            known = [each.label for each in now], [each.label for each in before]
            said = {n: p for n, p in link.by_hand.items()
                    if n in known[0] and (p is None or p in known[1])}  # fmt: skip
            self.followed = prior_work.follow(now, before, link.laid.transform, link.days, said)
            self._show_outlines(case, link)
            for each in (case, link.prior):
                self._session.findings.measure_errors(each)
        self.changed.emit()

    # What is shown

    def _drop_pictures(self, case: Case) -> None:
        picture = case.made.get(PICTURE)
        if picture is not None and case not in self._links:
            self._session.viewer.layers.unlink_layers([case.layer, picture])
        for what in [w for w in case.made if w.startswith(PICTURE) and case not in self._links]:
            self._session.drop_made(case, what)

    def _hide(self, prior: Case) -> None:
        """The prior's own layers lie elsewhere in the world: only its copy is shown."""
        for layer in (prior.layer, *prior.made.values(), *prior.masks.values()):
            if self._session.case is not prior:
                layer.visible = False

    def _show_beside(self, case: Case, laid: prior_work.Laid) -> None:
        attributes = {
            "name": PICTURE,
            "colormap": case.layer.colormap.name,
            "contrast_limits": case.layer.contrast_limits,
            **placement(case.volume),
            "translate": self._beside(case, (0, 0, 0)),
        }
        layer = self._session.put_made(case, PICTURE, (laid.hu, attributes, "image"), low=True)
        layer.contrast_limits_range = case.layer.contrast_limits_range
        self._session.viewer.layers.link_layers(
            [case.layer, layer], ("contrast_limits", "gamma", "colormap")
        )
        case.layer.visible = True
        self._session.viewer.reset_view()

    def _beside(self, case: Case, voxel: Any) -> tuple[float, ...]:
        """Where a voxel of the CT lies in the picture of the prior."""
        width = case.volume.shape[2] * (1 + GAP)
        return tuple(float(c) for c in case.world(np.add(voxel, (0, 0, width))))

    def _show_outlines(self, case: Case, link: Link) -> None:
        """Lay the outlines of the prior's findings on its picture, behind, where they changed."""
        laid = link.laid
        marked = {f.label: f.marked for f in link.prior.findings}
        assert laid is not None
        for what in [w for w in case.made if w.startswith(OUTLINES)]:
            layer = case.made[what]
            if marked.get(layer.metadata["label"]) is not layer.metadata["marked"]:
                self._session.drop_made(case, what)
        new = [(n, m.mask) for n, m in marked.items() if f"{OUTLINES} {n}" not in case.made]
        if new:
            task = partial(
                prior_work.lay_masks, new, link.prior.volume, case.volume, laid.transform
            )
            job = self._session.start(
                case, task, "Laying outlines", "prior outlines", LANE, quiet=True
            )
            job.returned.connect(partial(self._on_outlines, case, link, marked))
        self._colour_outlines(case)

    def _on_outlines(self, case: Case, link: Link, marked: Any, laid: list[Any]) -> None:
        if self._links.get(case) is not link:
            return
        for label, mask in laid:
            room = np.pad(mask.voxels, 1)  # napari draws no contour along a layer's edge
            attributes = {
                "name": f"Prior {label}",
                **placement(case.volume),
                "translate": self._beside(case, np.subtract(mask.start, 1)),
                "opacity": 0.9,
                "metadata": {"label": label, "marked": marked[label]},
            }
            layer = self._session.put_made(
                case, f"{OUTLINES} {label}", (room.astype(np.uint8), attributes, "labels")
            )
            layer.contour = int(self._session.viewer.dims.ndisplay == 2)
        self._colour_outlines(case)

    def _colour_outlines(self, case: Case) -> None:
        """The colour of a finding for the one of the prior that it is paired with."""
        from napari.utils.colormaps import DirectLabelColormap

        mine = {e.pair.prior: e.pair.current for e in self.followed if e.pair.current is not None}
        for what in [w for w in case.made if w.startswith(OUTLINES)]:
            layer = case.made[what]
            current = mine.get(layer.metadata["label"])
            colour = MIDDLE if current is None else finding_colour(current)
            if layer.metadata.get("colour") != colour:
                layer.metadata["colour"] = colour
                colours: dict[Any, Any] = {None: "transparent", 1: colour}
                layer.colormap = DirectLabelColormap(color_dict=colours)


def _sized(case: Case) -> list[Sized]:
    return [Sized.of(f.label, f.marked.measurement, case.bars_of(f), f.name) for f in case.findings]
