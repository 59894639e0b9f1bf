//! Figures as SVG and PNG: panels of lines over linear or logarithmic axes.
//!
//! Colours are Okabe & Ito's, which people with any colour vision can tell apart. The font is part of the
//! program, so that a figure is the same on every machine.

mod draw;
pub mod raster;
mod scale;

use std::io;
use std::path::Path;

use thiserror::Error;

pub use scale::Scale;

/// A figure: panels above one another.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Stands above it.
    pub title: String,
    /// From top to bottom.
    pub panels: Vec<Panel>,
}

/// One pair of axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// What is drawn, in the order of the colours.
    pub lines: Vec<Line>,
    /// What is marked.
    pub marks: Vec<Mark>,
}

/// An axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// What it shows, and its unit.
    pub label: String,
    /// Whether it is logarithmic.
    pub log: bool,
}

/// A line through points. Points that aren't finite, or not above 0 on a logarithmic axis, leave a gap.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Its name in the legend.
    pub label: String,
    /// Its points.
    pub points: Vec<(f64, f64)>,
}

/// A thin line across the panel, with a label.
#[derive(Clone, Debug, PartialEq)]
pub enum Mark {
    /// At an x.
    Vertical(f64, String),
    /// At a y.
    Horizontal(f64, String),
}

/// Why a figure can't be made.
#[derive(Debug, Error)]
pub enum FigureError {
    /// The file can't be written.
    #[error("can't write the figure {path}")]
    Write {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The drawing failed.
    #[error("can't draw the figure: {0}")]
    Draw(String),
}

/// The width of a figure in pixels.
pub const WIDTH: u32 = 960;
/// The height of a panel in pixels.
pub const PANEL: u32 = 340;

impl Figure {
    /// Its height in pixels.
    #[must_use]
    pub fn height(&self) -> u32 {
        PANEL * self.panels.len() as u32 + draw::TITLE
    }

    /// The figure as SVG.
    ///
    /// # Errors
    /// If it can't be drawn.
    pub fn svg(&self) -> Result<String, FigureError> {
        draw::svg(self)
    }

    /// Writes `name.svg` and `name.png` into a folder.
    ///
    /// # Errors
    /// If it can't be drawn or written.
    pub fn write(&self, folder: &Path, name: &str) -> Result<(), FigureError> {
        let svg = folder.join(format!("{name}.svg"));
        std::fs::write(&svg, self.svg()?)
            .map_err(|source| FigureError::Write { path: svg.display().to_string(), source })?;
        draw::png(self, &folder.join(format!("{name}.png")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(points: Vec<(f64, f64)>, log: bool) -> Figure {
        let axis = |label: &str| Axis { label: label.into(), log };
        let line = Line { label: "a & b".into(), points };
        let panel = Panel { x: axis("step"), y: axis("error"), lines: vec![line], marks: vec![] };
        Figure { title: "one".into(), panels: vec![panel] }
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
                let svg = figure.svg().unwrap();
                assert!(svg.starts_with("<svg") && svg.contains("a &amp; b"), "{points:?}");
                assert!(!svg.contains("NaN") && !svg.contains("inf"), "{points:?}");
                assert_eq!(svg, figure.svg().unwrap());
            }
        }
    }

    #[test]
    fn both_files_are_written() {
        let folder = std::env::temp_dir().join(format!("optbench-figures-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        figure(vec![(1.0, 2.0), (3.0, 4.0)], false).write(&folder, "x").unwrap();
        assert!(std::fs::read(folder.join("x.png")).unwrap().starts_with(b"\x89PNG"));
        assert!(folder.join("x.svg").exists());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
