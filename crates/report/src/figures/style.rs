//! Colors and dashes.

use std::collections::HashMap;

use plotters::style::RGBColor;

/// The ground that a picture is read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    /// White, for paper.
    Light,
    /// Dark, for a screen.
    Dark,
}

/// How a line looks: the place of its color in [`COLORS`], and of its dashes in [`DASHES`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// The color.
    pub color: usize,
    /// The dashes.
    pub dash: usize,
}

/// Okabe & Ito 2008, “Color universal design”, without the yellow, which is pale on white: on white, and on a dark
/// ground, where black is white and blue and green are lighter.
pub const COLORS: [[[u8; 3]; 2]; 7] = [
    [[0, 0, 0], [240, 240, 240]],
    [[0, 114, 178], [64, 156, 222]],
    [[213, 94, 0], [240, 120, 40]],
    [[0, 158, 115], [30, 184, 140]],
    [[204, 121, 167], [222, 140, 186]],
    [[230, 159, 0], [240, 176, 40]],
    [[86, 180, 233], [120, 200, 245]],
];

/// Lengths of strokes and of the gaps after them, in pixels. The first is a line without gaps.
pub const DASHES: [&[f64]; 8] = [
    &[],
    &[9.0, 4.0],
    &[2.0, 3.0],
    &[10.0, 3.0, 2.0, 3.0],
    &[18.0, 5.0],
    &[5.0, 2.0, 2.0, 2.0, 2.0, 2.0],
    &[4.0, 8.0],
    &[18.0, 3.0, 4.0, 3.0],
];

impl Theme {
    pub(super) fn ground(self) -> RGBColor {
        self.pick([255, 255, 255], [20, 22, 26])
    }
    pub(super) fn ink(self) -> RGBColor {
        self.pick([20, 20, 20], [232, 232, 232])
    }
    /// Of axes and notes.
    pub(super) fn soft(self) -> RGBColor {
        self.pick([95, 95, 95], [165, 168, 172])
    }
    /// Of the grid.
    pub(super) fn grid(self) -> RGBColor {
        self.pick([228, 228, 228], [48, 51, 57])
    }
    /// Of lines that are only there for comparison.
    pub(super) fn faint(self) -> RGBColor {
        self.pick([200, 200, 200], [78, 82, 90])
    }
    /// Of a level of the ground, from 0 to 1.
    pub(super) fn level(self, share: f64) -> RGBColor {
        let ends = match self {
            Self::Light => [[252.0, 252.0, 253.0], [150.0, 166.0, 196.0]],
            Self::Dark => [[24.0, 27.0, 33.0], [92.0, 104.0, 130.0]],
        };
        mixed(ends[0], ends[1], share)
    }
    pub(super) fn color(self, style: Style) -> RGBColor {
        let [light, dark] = COLORS[style.color % COLORS.len()];
        self.pick(light, dark)
    }
    fn pick(self, light: [u8; 3], dark: [u8; 3]) -> RGBColor {
        let [r, g, b] = if self == Self::Light { light } else { dark };
        RGBColor(r, g, b)
    }
}

fn mixed(a: [f64; 3], b: [f64; 3], share: f64) -> RGBColor {
    let [r, g, b] = [0, 1, 2].map(|i| (a[i] + (b[i] - a[i]) * share.clamp(0.0, 1.0)).round() as u8);
    RGBColor(r, g, b)
}

/// Viridis (van der Walt & Smith 2015), which is even to the eye, from dark at 0 to bright at 1.
pub(super) fn viridis(share: f64) -> RGBColor {
    const ANCHORS: [[f64; 3]; 10] = [
        [68.0, 1.0, 84.0],
        [72.0, 40.0, 120.0],
        [62.0, 74.0, 137.0],
        [49.0, 104.0, 142.0],
        [38.0, 130.0, 142.0],
        [31.0, 158.0, 137.0],
        [53.0, 183.0, 121.0],
        [109.0, 205.0, 89.0],
        [180.0, 222.0, 44.0],
        [253.0, 231.0, 37.0],
    ];
    let place = share.clamp(0.0, 1.0) * (ANCHORS.len() - 1) as f64;
    let first = (place as usize).min(ANCHORS.len() - 2);
    mixed(ANCHORS[first], ANCHORS[first + 1], place - first as f64)
}

/// Gives the same optimizer the same color everywhere.
///
/// The color is that of the place of the optimizer's name, without options and schedule, in the list of all that are
/// known; names that share a color in one set of results differ in their dashes.
///
/// ```
/// use report::figures::Palette;
///
/// let palette = Palette::new(&["sgd", "adam"], ["adam", "adam(beta1=0.95)", "adam, cosine", "sgd"]);
/// let [a, b, c, d] = ["adam", "adam(beta1=0.95)", "adam, cosine", "sgd"].map(|name| palette.style(name));
/// assert!(a.color == b.color && b.color == c.color && c.color != d.color);
/// assert_eq!([a.dash, b.dash, c.dash, d.dash], [0, 1, 2, 0]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Palette {
    styles: HashMap<String, Style>,
}

impl Palette {
    /// `known` are the names of all optimizers in their order; `names` those to be drawn.
    #[must_use]
    pub fn new<'a>(known: &[&str], names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut used = [0; COLORS.len()];
        let mut styles = HashMap::new();
        for name in names {
            styles.entry(name.to_owned()).or_insert_with(|| {
                let base = name.split(['(', ',']).next().unwrap_or(name);
                let color = place(known, base) % COLORS.len();
                used[color] += 1;
                Style { color, dash: (used[color] - 1) % DASHES.len() }
            });
        }
        Self { styles }
    }

    /// The style of a name.
    #[must_use]
    pub fn style(&self, name: &str) -> Style {
        self.styles.get(name).copied().unwrap_or_default()
    }
}

/// The place in the list, or, for a name from elsewhere, always the same number.
fn place(known: &[&str], name: &str) -> usize {
    let sum = || name.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    known.iter().position(|known| *known == name).unwrap_or_else(sum)
}
