"""Makes the font that figures are labeled with: a subset of DejaVu Sans under another name, as its licence asks.

    python scripts/subset-font.py /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf

Needs fonttools (written with 4.60). The result is committed.
"""

import sys

from fontTools import subset
from fontTools.ttLib import TTFont

TEXT = "".join(map(chr, range(32, 127))) + "·×−±…–—‘’“”°²³⁰¹⁴⁵⁶⁷⁸⁹⁻→←↑↓≤≥≈∞∂∇ΔΣαβγδεηκλμρστφ√∫ℓ"

font = TTFont(sys.argv[1])
options = subset.Options()
options.hinting = False
options.layout_features = []
options.name_IDs = [1, 2, 4, 6]
subsetter = subset.Subsetter(options)
subsetter.populate(text=TEXT)
subsetter.subset(font)
for record in font["name"].names:
    record.string = {1: "optbench Sans", 2: "Book", 4: "optbench Sans", 6: "optbench-Sans"}[record.nameID]
font.save("crates/report/src/figures/font.ttf")
