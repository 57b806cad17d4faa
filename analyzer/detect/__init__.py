"""Judgement of one resource: pure functions over arrays, no clock, no store."""

from analyzer.detect.arrays import MEASURES, Normal, ResourceWindows
from analyzer.detect.engine import detect
from analyzer.detect.normal import learn
from analyzer.detect.season import Season, seasoned
from analyzer.detect.settings import DetectSettings

__all__ = [
    "MEASURES",
    "DetectSettings",
    "Normal",
    "ResourceWindows",
    "Season",
    "detect",
    "learn",
    "seasoned",
]
