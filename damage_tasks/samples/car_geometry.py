"""The side of a car in millimetres, nose to the left: shapes, gaps and curvature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from damage_tasks.samples.camera import rounded

Points = NDArray[np.floating]


def _points(*pairs: tuple[float, float]) -> Points:
    return np.array(pairs, float)


BODY = _points(
    (180, 205), (60, 300), (18, 480), (40, 620), (85, 720), (300, 812), (700, 892), (1120, 958),
    (1500, 1188), (1800, 1352), (2100, 1428), (2600, 1442), (3100, 1402), (3500, 1275),
    (3850, 1085), (4050, 965), (4185, 900), (4212, 700), (4195, 400), (4100, 240), (3700, 205),
)  # fmt: skip
WHEELS = ((800.0, 312.0), (3400.0, 312.0))
ARCH_RADIUS, TYRE_RADIUS, RIM_RADIUS = 372.0, 318.0, 228.0

FRONT_GLASS = _points(
    (1300, 988), (1560, 1172), (1830, 1318), (2110, 1376), (2196, 1380), (2214, 1003)
)
REAR_GLASS = _points(
    (2292, 1004), (2276, 1381), (2650, 1388), (2950, 1350), (3140, 1230), (3205, 1018)
)
PILLAR = _points((2206, 1002), (2190, 1384), (2284, 1384), (2300, 1003))
HEADLIGHT = _points(
    (50, 655), (110, 592), (270, 606), (430, 690), (476, 778), (380, 800), (200, 752), (85, 706)
)
TAIL_LIGHT = _points((3990, 890), (4190, 878), (4206, 705), (4085, 690), (4005, 770))
MIRROR = _points((1335, 985), (1325, 1075), (1370, 1128), (1490, 1130), (1530, 1070), (1505, 990))
FUEL_FLAP = _points((3640, 870), (3640, 735), (3790, 735), (3790, 870))
HANDLES = ((2075.0, 850.0), (2985.0, 862.0))
INTAKE = _points((48, 300), (36, 400), (120, 415), (330, 372), (300, 310), (150, 285))
BLINKER = _points((352, 560), (352, 590), (432, 580), (432, 552))
SILL = _points((200, 236), (4050, 236), (4050, 150), (200, 150))
MIRROR_FOOT = _points((1335, 1010), (1330, 975), (1500, 975), (1508, 1005))
GLASS_BOX = ((1260.0, 960.0), (3240.0, 1410.0))
SEAT = _points((0, 900), (60, 1170), (165, 1178), (200, 900))
HEADREST = _points((62, 1185), (75, 1285), (150, 1285), (152, 1185))
STRIP = _points((1255, 395), (1250, 440), (2925, 446), (2930, 401))

GAPS: dict[str, Points] = {
    "door-front": rounded(
        _points((1300, 985), (1250, 900), (1214, 700), (1208, 420), (1235, 290), (1300, 226)),
        3, closed=False,
    ),
    "door-middle": _points((2252, 1000), (2248, 700), (2245, 400), (2250, 226)),
    "door-rear": rounded(
        _points((3212, 1012), (3160, 860), (3070, 710), (2985, 570), (2945, 430), (2932, 226)),
        3, closed=False,
    ),
    "sill": _points((1296, 228), (2934, 228)),
    "bonnet": _points((90, 712), (420, 824), (800, 893), (1180, 944)),
    "bumper": rounded(
        _points((478, 492), (455, 545), (420, 600), (400, 640), (418, 684)), 3, closed=False
    ),
    "rear-bumper": _points((3742, 460), (3820, 540), (4000, 566), (4205, 572)),
    "flap": np.vstack([rounded(FUEL_FLAP, 3), rounded(FUEL_FLAP, 3)[:1]]),
}  # fmt: skip

# Slope of the side at each height, positive upwards.
# The jump at 846 mm is the shoulder line, where every reflection breaks.
LEAN_AT = np.array(
    [0, 200, 260, 340, 480, 600, 720, 838, 850, 930, 985, 1060, 1350, 1440], np.float32
)
LEAN = np.array(
    [-0.75, -0.55, -0.3, -0.14, -0.05, 0.02, 0.05, 0.0, 0.19, 0.27, 0.4, 0.42, 0.75, 1.4],
    np.float32,
)
# Slope towards nose and tail.
TURN_AT = np.array([0, 150, 400, 900, 1500, 2800, 3500, 3950, 4200], np.float32)
TURN = np.array([-1.2, -0.75, -0.33, -0.1, -0.02, 0.03, 0.12, 0.45, 1.1], np.float32)


def lean_at(x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
    """Slope of the body towards the sky at each point; lines rise slightly to the tail."""
    table = np.interp(np.arange(0, 1500, 2.0), LEAN_AT, LEAN).astype(np.float32)
    index = np.clip((y - 0.009 * (x - 1800)) / 2, 0, len(table) - 1)
    return table[index.astype(np.int32)]


def turn_at(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Slope of the body towards the tail at each point."""
    table = np.interp(np.arange(0, 4300, 4.0), TURN_AT, TURN).astype(np.float32)
    return table[np.clip(x / 4, 0, len(table) - 1).astype(np.int32)]


@dataclass(frozen=True, slots=True)
class View:
    """One way to photograph the car: its centre, and the damage that it can show."""

    spot: tuple[float, float]
    span: tuple[float, float]
    paint: tuple[float, float, float, float]  # x and y range in which paint can be damaged
    gap: str = ""
    pane: str = ""
    yaw: tuple[float, float] = (-0.32, 0.32)  # range of plausible camera angles, rad
    dents: bool = True  # plastic bumpers spring back


VIEWS: dict[str, View] = {
    "door": View((1760, 660), (1250, 1750), (1350, 2120, 400, 790), gap="door-front"),
    "rear-door": View((2560, 670), (1250, 1750), (2340, 2860, 400, 790), gap="door-middle"),
    "fender": View(
        (900, 600), (1250, 1700), (880, 1170, 720, 860), gap="door-front", yaw=(0.0, 0.32)
    ),
    "rear-fender": View(
        (3420, 620), (1250, 1700), (3480, 3950, 640, 840), gap="rear-bumper", yaw=(-0.32, 0.0)
    ),
    "bumper": View(
        (400, 570),
        (1000, 1300),
        (150, 330, 440, 570),
        gap="bumper",
        pane="headlight",
        yaw=(0.05, 0.32),
        dents=False,
    ),
    "window": View((1800, 1060), (950, 1250), (1480, 1860, 640, 800), pane="window"),
}
PANES: dict[str, Points] = {"headlight": HEADLIGHT, "window": FRONT_GLASS}
