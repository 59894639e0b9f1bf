//! Pictures on plotters' backends.

use image::codecs::png::PngEncoder;
use image::{ColorType, ImageEncoder};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::labels::shortened;
use super::pen::{Drawn, FAMILY, Pen, Words};
use super::{Drawing, Figure, FigureError, Panel, Theme, WIDTH, panel};

/// Both kinds of file have so many pixels for each of the figure's: an SVG's coordinates are whole numbers.
const ZOOM: u32 = 2;
/// The height of the title, and of the note below it.
const TITLE: f64 = 38.0;
const NOTE: f64 = 22.0;

/// What draws itself with a pen.
pub trait Draw {
    #[doc(hidden)]
    fn size(&self) -> (u32, u32);
    #[doc(hidden)]
    fn title(&self) -> (&str, &str);
    #[doc(hidden)]
    fn body<B: DrawingBackend>(&self, pen: &Pen<B>, top: f64) -> Drawn<B>;
}

/// The height of title and note.
pub(super) fn head(note: &str) -> f64 {
    TITLE + if note.is_empty() { 0.0 } else { NOTE }
}

pub(super) fn svg<P: Draw + ?Sized>(picture: &P, theme: Theme) -> Result<String, FigureError> {
    let (width, height) = picture.size();
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, (ZOOM * width, ZOOM * height)).into_drawing_area();
        draw(picture, &area, theme).map_err(|error| FigureError::Draw(error.to_string()))?;
    }
    // What is said anyway; a landscape's levels are thousands of rectangles.
    let text = text.replace(" opacity=\"1\"", "").replace(" stroke=\"none\"", "");
    let named = text.replace("font-family=\"optbench Sans\"", &format!("font-family=\"{FAMILY}\""));
    let sized = |factor: u32| format!("<svg width=\"{}\" height=\"{}\"", factor * width, factor * height);
    Ok(named.replacen(&sized(ZOOM), &sized(1), 1))
}

pub(super) fn png<P: Draw + ?Sized>(picture: &P) -> Result<Vec<u8>, FigureError> {
    let (width, height) = picture.size();
    bitmap((ZOOM * width, ZOOM * height), |area| draw(picture, area, Theme::Light))
}

/// What is drawn, as a PNG file.
pub(super) fn bitmap(
    (width, height): (u32, u32),
    draw: impl for<'a> FnOnce(&DrawingArea<BitMapBackend<'a>, Shift>) -> Drawn<BitMapBackend<'a>>,
) -> Result<Vec<u8>, FigureError> {
    let mut pixels = vec![0; 3 * width as usize * height as usize];
    {
        let area = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
        draw(&area).map_err(|error| FigureError::Draw(error.to_string()))?;
    }
    let mut file = Vec::new();
    let encoder = PngEncoder::new(&mut file);
    let written = encoder.write_image(&pixels, width, height, ColorType::Rgb8);
    written.map_err(|error| FigureError::Draw(error.to_string()))?;
    Ok(file)
}

fn draw<P: Draw + ?Sized, B: DrawingBackend>(
    picture: &P,
    area: &DrawingArea<B, Shift>,
    theme: Theme,
) -> Drawn<B> {
    let pen = Pen::new(area, ZOOM, theme);
    pen.fill()?;
    let (title, note) = picture.title();
    let words = |size, color| Words { size, color, anchor: (HPos::Left, VPos::Center) };
    pen.text(&shortened(title, 84), (16.0, 22.0), words(20.0, theme.ink()))?;
    if !note.is_empty() {
        pen.text(&shortened(note, 140), (16.0, TITLE + 6.0), words(13.0, theme.soft()))?;
    }
    picture.body(&pen, head(note))?;
    area.present()
}

impl Draw for Figure {
    fn size(&self) -> (u32, u32) {
        (WIDTH, self.panels.iter().map(Panel::height).sum::<u32>() + head(&self.note) as u32)
    }
    fn title(&self) -> (&str, &str) {
        (&self.title, &self.note)
    }
    fn body<B: DrawingBackend>(&self, pen: &Pen<B>, top: f64) -> Drawn<B> {
        self.panels.iter().try_fold(top, |top, one| {
            panel::draw(one, pen, top)?;
            Ok(top + f64::from(one.height()))
        })?;
        Ok(())
    }
}

impl Draw for Drawing {
    fn size(&self) -> (u32, u32) {
        match self {
            Self::Figure(figure) => figure.size(),
            Self::HeatMap(map) => map.size(),
            Self::Ranks(ranks) => ranks.size(),
        }
    }
    fn title(&self) -> (&str, &str) {
        match self {
            Self::Figure(figure) => figure.title(),
            Self::HeatMap(map) => map.title(),
            Self::Ranks(ranks) => ranks.title(),
        }
    }
    fn body<B: DrawingBackend>(&self, pen: &Pen<B>, top: f64) -> Drawn<B> {
        match self {
            Self::Figure(figure) => figure.body(pen, top),
            Self::HeatMap(map) => map.body(pen, top),
            Self::Ranks(ranks) => ranks.body(pen, top),
        }
    }
}
