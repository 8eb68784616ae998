"""One nodule of each kind, clicked in a real window: pictures for ``docs/tour.md``, and the page.

Needs a display (or ``xvfb-run -a -s "-screen 0 1600x1000x24"``). Run::

    python benchmarks/tour.py [--out docs] [--seed 950]

One synthetic chest holds a nodule of each kind; each is clicked in its middle. The pictures are
made to be looked at: nothing here judges them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import napari
from PIL import Image

from napari_vaemed.data.phantom_nodules import KINDS, NoduleSpec
from napari_vaemed.data.phantoms import Phantom, chest_phantom
from napari_vaemed.plugin.demo import SIZE, Walk
from napari_vaemed.plugin.finding_text import told
from napari_vaemed.plugin.layers import volume_to_layer

SHAPE, SPACING = (240, 420, 420), (1.25, 0.78, 0.78)
DIAMETERS_MM = dict(zip(KINDS, (9.0, 16.0, 13.0, 15.0, 11.0, 8.0, 10.0, 18.0), strict=True))
ZOOM = 11.0
CONTROLS, WIDTH, COLOURS = 0.222, 900, 160
INTRODUCTION = """# A nodule of each kind

One synthetic chest (seed {seed}, {thick:g} mm slices of {fine:g} mm pixels), one click in the \
middle of each nodule, nothing corrected. `python benchmarks/tour.py` makes this page and its \
pictures anew. Truth is what was planted, measured on samples far finer than the voxels; ± is half \
of the 95 % interval. Phantoms are smoother than patients: `docs/click.md` has the figures on \
patients.

| kind | longest, mm | truth | perpendicular, mm | truth | volume, mm³ | truth | type |
|---|--:|--:|--:|--:|--:|--:|---|
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs"))
    parser.add_argument("--seed", type=int, default=950)
    asked = parser.parse_args()
    pictures = asked.out / "tour"
    pictures.mkdir(parents=True, exist_ok=True)
    nodules = [NoduleSpec(kind, mm) for kind, mm in DIAMETERS_MM.items()]
    phantom = chest_phantom(shape=SHAPE, spacing=SPACING, seed=asked.seed, nodules=nodules)
    viewer = napari.Viewer(title="napari-vaemed – research only")
    viewer.window.resize(*SIZE)
    rows = list(walked(viewer, phantom, pictures))
    viewer.close()
    page = INTRODUCTION.format(seed=asked.seed, thick=SPACING[0], fine=SPACING[1])
    page += "\n".join(rows) + "\n"
    for kind in KINDS:
        page += f"\n## {kind.capitalize()}\n\n![{kind}](tour/{kind}.png)\n"
    (asked.out / "tour.md").write_text(page, encoding="utf-8")


def walked(viewer, phantom: Phantom, pictures: Path):
    """Click each nodule and keep a picture; give its line of the table."""
    steps = Walk(viewer, pictures)
    session = steps.session
    session.add(volume_to_layer(phantom.volume))
    session.find_lungs(session.case)
    steps.wait("ct")
    session.case.made["Lungs"].visible = False
    for planted in phantom.planted:
        session.findings.put(session.case, ())
        steps.click(tuple(phantom.volume.to_voxel(planted.centre_mm)))
        finding = session.case.finding
        if finding is None:
            said = session.messages["nodule"].text
            yield f"| {planted.kind} | refused: {said} | | | | | | |"
            continue
        session.findings.select(finding.label)
        steps.wait("nodule")
        measured, bars = finding.marked.measurement, session.case.bars_of(finding)
        at = session.case.world(phantom.volume.to_voxel(measured.centre_mm))
        viewer.scene.camera.center = tuple(at)
        viewer.scene.camera.zoom = ZOOM
        steps.look(planted.kind, "Nodule")
        smaller(pictures / f"{planted.kind}.png")
        cells = (
            planted.kind,
            told(measured.longest_mm, bars and bars.longest_mm),
            f"{planted.longest_mm:.1f}",
            told(measured.perpendicular_mm, bars and bars.perpendicular_mm),
            f"{planted.perpendicular_mm:.1f}",
            told(measured.partial_volume_mm3, bars and bars.volume_mm3, 0),
            f"{planted.volume_mm3:.0f}",
            measured.density,
        )
        yield f"| {' | '.join(cells)} |"


def smaller(path: Path) -> None:
    """Without napari's own controls, in fewer pixels and colours: the pages stay light."""
    whole = Image.open(path).convert("RGB")
    picture = whole.crop((round(CONTROLS * whole.width), 0, whole.width, whole.height))
    height = round(picture.height * WIDTH / picture.width)
    picture = picture.resize((WIDTH, height), Image.Resampling.LANCZOS)
    few = picture.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(path, optimize=True)


if __name__ == "__main__":
    main()
