//! Figures as SVG and PNG: panels of lines over linear or logarithmic axes, maps of numbers, and mean ranks.
//!
//! Lines carry their names at their ends, pushed apart where they would overlap. Colors are Okabe & Ito's, which
//! people with any color vision can tell apart; what shares a color has other dashes. The font is part of the
//! program, so that a figure is the same on every machine.

mod draw;
mod frame;
mod heat;
mod labels;
mod panel;
mod pen;
mod ranks;
pub mod raster;
mod scale;
mod style;

use thiserror::Error;

pub use heat::HeatMap;
pub use ranks::{RankDiagram, Ranked};
pub use scale::Scale;
pub use style::{COLORS, DASHES, Palette, Style, Theme};

/// A figure: panels above one another.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figure {
    /// Stands above it.
    pub title: String,
    /// Stands below the title: what it is about, and how it is to be read. A line of at most about 140 characters.
    pub note: String,
    /// From top to bottom.
    pub panels: Vec<Panel>,
}

/// One pair of axes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Panel {
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// What lies under the lines.
    pub ground: Option<Ground>,
    /// What is drawn; the first is on top.
    pub lines: Vec<Line>,
    /// What is marked.
    pub marks: Vec<Mark>,
    /// Whether it is twice as high as others.
    pub tall: bool,
}

/// An axis.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Axis {
    /// What it shows, and its unit.
    pub label: String,
    /// Whether it is logarithmic.
    pub log: bool,
}

/// A line through points. Points that aren't finite, or are below 0 on a logarithmic axis, leave a gap; 0 has its
/// place at the bottom of one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    /// Its name, which stands at its end; none where it is empty.
    pub label: String,
    /// Its points.
    pub points: Vec<(f64, f64)>,
    /// The low and the high end of the band around each point; none where it is empty.
    pub band: Vec<(f64, f64)>,
    /// Its color and dashes; without, those of its place.
    pub style: Option<Style>,
    /// Only there for comparison: thin, gray and without a name.
    pub faint: bool,
    /// Between these two x it is thick.
    pub thick: Option<(f64, f64)>,
    /// Points on it that stand out.
    pub spots: Vec<((f64, f64), Spot)>,
}

/// How a point stands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spot {
    /// A filled circle.
    Dot,
    /// An open circle.
    Ring,
    /// A triangle that points to smaller x: what is sought may lie there.
    Left,
    /// The same to larger x.
    Right,
}

/// A thin line across the panel, or a cross, with a label.
#[derive(Clone, Debug, PartialEq)]
pub enum Mark {
    /// At an x.
    Vertical(f64, String),
    /// At a y.
    Horizontal(f64, String),
    /// At a point.
    Cross(f64, f64),
}

/// The values of a function over the whole panel, as levels of which each covers the same area.
#[derive(Clone, Debug, PartialEq)]
pub struct Ground {
    /// From the left to the right.
    pub x: (f64, f64),
    /// From the bottom to the top.
    pub y: (f64, f64),
    /// Places in a row.
    pub columns: usize,
    /// Row by row, from the bottom.
    pub values: Vec<f64>,
}

/// Why a figure can't be made.
#[derive(Debug, Error)]
pub enum FigureError {
    /// The drawing failed.
    #[error("can't draw the figure: {0}")]
    Draw(String),
}

/// The width of a figure in pixels.
pub const WIDTH: u32 = 960;
/// The height of a panel in pixels.
pub const PANEL: u32 = 340;

impl Panel {
    /// Its height in pixels.
    #[must_use]
    pub fn height(&self) -> u32 {
        if self.tall { 2 * PANEL } else { PANEL }
    }
}

/// What can be drawn: as SVG, on a white ground or a dark one, and as PNG.
pub trait Picture: draw::Draw {
    /// The picture as SVG.
    ///
    /// # Errors
    /// If it can't be drawn.
    fn svg(&self, theme: Theme) -> Result<String, FigureError> {
        draw::svg(self, theme)
    }

    /// The files `name.svg` and `name.png`, which are on white, and `name-dark.svg`.
    ///
    /// # Errors
    /// If it can't be drawn.
    fn files(&self, name: &str) -> Result<[(String, Vec<u8>); 3], FigureError> {
        Ok([
            (format!("{name}.svg"), self.svg(Theme::Light)?.into_bytes()),
            (format!("{name}-dark.svg"), self.svg(Theme::Dark)?.into_bytes()),
            (format!("{name}.png"), draw::png(self)?),
        ])
    }
}

impl<T: draw::Draw> Picture for T {}

/// Any picture.
#[derive(Clone, Debug, PartialEq)]
pub enum Drawing {
    /// Panels of lines.
    Figure(Figure),
    /// A map of numbers.
    HeatMap(HeatMap),
    /// Mean ranks.
    Ranks(RankDiagram),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(points: Vec<(f64, f64)>, log: bool) -> Figure {
        let axis = |label: &str| Axis { label: label.into(), log };
        let band = points.iter().map(|p| (0.5 * p.1, 2.0 * p.1)).collect();
        let line = Line { label: "a & b".into(), points, band, thick: Some((0.0, 2.0)), ..Line::default() };
        let panel = Panel { x: axis("step"), y: axis("error"), lines: vec![line], ..Panel::default() };
        Figure { title: "one & two".into(), note: "<note>".into(), panels: vec![panel] }
    }

    #[test]
    fn any_numbers_are_drawn_and_always_the_same() {
        for log in [false, true] {
            for points in [
                vec![],
                vec![(1.0, 1.0)],
                vec![(0.0, 0.0), (1.0, -1.0)],
                vec![(f64::NAN, 1.0), (f64::INFINITY, 2.0)],
                vec![(1.0, 1e300), (1e9, 1e-300)],
                vec![(1.0, 5.0), (2.0, f64::NAN), (3.0, 5.0)],
            ] {
                let figure = figure(points.clone(), log);
                let svg = figure.svg(Theme::Light).unwrap();
                assert!(svg.starts_with("<svg") && svg.contains("one &amp; two"), "{points:?}");
                assert!(svg.contains("&lt;note&gt;"), "{points:?}");
                assert!(!svg.contains("NaN") && !svg.contains("inf"), "{points:?}");
                assert_eq!(svg, figure.svg(Theme::Light).unwrap());
            }
        }
        // What has an end has its name there.
        assert!(figure(vec![(1.0, 1.0)], true).svg(Theme::Dark).unwrap().contains("a &amp; b"));
    }

    #[test]
    fn all_files_are_drawn() {
        let [light, dark, png] = figure(vec![(1.0, 2.0), (3.0, 4.0)], false).files("x").unwrap();
        assert_eq!([&light.0, &dark.0, &png.0], ["x.svg", "x-dark.svg", "x.png"]);
        assert!(png.1.starts_with(b"\x89PNG") && light.1 != dark.1);
    }
}
