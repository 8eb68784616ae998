"""The label values every mask of the package uses."""

RIGHT_LUNG = 1
LEFT_LUNG = 2
AIRWAYS = 3

LUNG_NAMES = {RIGHT_LUNG: "Right lung", LEFT_LUNG: "Left lung", AIRWAYS: "Airways"}
