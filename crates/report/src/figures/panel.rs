//! A panel: its ground, its lines, and their names at the ends.

use plotters::prelude::{Color, DrawingBackend, RGBColor};
use plotters::style::text_anchor::{HPos, VPos};

use super::frame::Frame;
use super::labels::{apart, shortened};
use super::pen::{At, Drawn, Pen, Words, width};
use super::scale::Scale;
use super::style::{COLORS, DASHES};
use super::{Ground, Line, Mark, Panel, Spot, Style, WIDTH};

/// The size of the letters of names, and the least distance from one to the next.
const NAME: f64 = 14.0;
const GAP: f64 = 18.0;
/// No name is longer.
const LETTERS: usize = 34;
/// Levels of the ground.
const LEVELS: usize = 16;

pub(super) fn draw<B: DrawingBackend>(panel: &Panel, pen: &Pen<B>, top: f64) -> Drawn<B> {
    let frame = frame(panel, top);
    if let Some(ground) = &panel.ground {
        fill(ground, pen, &frame)?;
    }
    frame.draw(pen, &panel.x, &panel.y, panel.ground.is_none())?;
    let styled: Vec<(&Line, Style)> =
        panel.lines.iter().enumerate().map(|(k, line)| (line, style(line, k))).collect();
    for (line, _) in styled.iter().filter(|(line, _)| line.faint) {
        for run in runs(line, &frame) {
            pen.path(&run, &pen.theme.faint(), 1, 0)?;
        }
    }
    let clear = || styled.iter().rev().filter(|(line, _)| !line.faint);
    for (line, style) in clear() {
        draw_band(line, pen, &frame, pen.theme.color(*style))?;
    }
    draw_marks(panel, pen, &frame)?;
    for (line, style) in clear() {
        draw_line(line, pen, &frame, *style)?;
    }
    draw_crosses(panel, pen, &frame)?;
    if panel.ground.is_none() && panel.lines.iter().all(|line| runs(line, &frame).is_empty()) {
        let middle = (0.5 * (frame.left + frame.right), 0.5 * (frame.top + frame.bottom));
        let words = Words { size: NAME, color: pen.theme.soft(), anchor: (HPos::Center, VPos::Center) };
        pen.text("no finite numbers to show", middle, words)?;
    }
    draw_names(&styled, pen, &frame)
}

fn style(line: &Line, place: usize) -> Style {
    let by_place = Style { color: place % COLORS.len(), dash: place / COLORS.len() % DASHES.len() };
    line.style.unwrap_or(by_place)
}

/// The axes around everything that is to be shown, with room for the names.
fn frame(panel: &Panel, top: f64) -> Frame {
    let points = || panel.lines.iter().flat_map(|line| &line.points);
    let bands = panel.lines.iter().flat_map(|line| line.band.iter().flat_map(|(low, high)| [*low, *high]));
    let at = |x: bool| {
        panel.marks.iter().filter_map(move |mark| match mark {
            Mark::Vertical(at, _) if x => Some(*at),
            Mark::Horizontal(at, _) if !x => Some(*at),
            _ => None,
        })
    };
    let names = panel.lines.iter().filter(|line| !line.faint && !line.label.is_empty());
    let room = names.map(|line| width(&shortened(&line.label, LETTERS), NAME)).fold(0.0, f64::max);
    let (x, y) = match &panel.ground {
        Some(ground) => (Scale::between(ground.x, panel.x.log), Scale::between(ground.y, panel.y.log)),
        None => (
            Scale::around(points().map(|p| p.0).chain(at(true)), panel.x.log),
            Scale::around(points().map(|p| p.1).chain(bands).chain(at(false)), panel.y.log),
        ),
    };
    let has_zero = y.is_log() && points().any(|point| point.1 == 0.0);
    let y = if has_zero { y.with_zero() } else { y };
    let right = f64::from(WIDTH) - if room > 0.0 { room + 44.0 } else { 24.0 };
    Frame {
        left: 92.0,
        right,
        top: top + 14.0,
        bottom: top + f64::from(panel.height()) - 52.0,
        x,
        y,
        has_zero,
    }
}

/// The levels of the ground, as the longest rectangles of one level.
fn fill<B: DrawingBackend>(ground: &Ground, pen: &Pen<B>, frame: &Frame) -> Drawn<B> {
    let mut sorted: Vec<f64> = ground.values.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let level = |value: &f64| match value {
        value if value.is_finite() => {
            sorted.partition_point(|other| other < value) * LEVELS / sorted.len().max(1)
        }
        _ => LEVELS - 1,
    };
    let rows = ground.values.len() / ground.columns;
    let (across, up) = (frame.right - frame.left, frame.bottom - frame.top);
    for (row, values) in ground.values.chunks(ground.columns).enumerate() {
        let levels: Vec<usize> = values.iter().map(level).collect();
        let mut from = 0;
        for run in levels.chunk_by(|a, b| a == b) {
            let to = from + run.len();
            let x = |column: usize| frame.left + across * column as f64 / ground.columns as f64;
            let y = |row: usize| frame.bottom - up * row as f64 / rows as f64;
            let color = pen.theme.level(run[0] as f64 / (LEVELS - 1) as f64);
            pen.rectangle((x(from), y(row + 1)), (x(to), y(row)), &color)?;
            from = to;
        }
    }
    Ok(())
}

fn draw_band<B: DrawingBackend>(line: &Line, pen: &Pen<B>, frame: &Frame, color: RGBColor) -> Drawn<B> {
    let ends: Vec<Option<(At, At)>> = line
        .points
        .iter()
        .zip(&line.band)
        .map(|(&(x, y), &(low, high))| {
            let both = frame.shows((x, y)) && frame.shows((x, low)) && frame.shows((x, high));
            both.then(|| (frame.at((x, low)), frame.at((x, high))))
        })
        .collect();
    for run in ends.split(Option::is_none) {
        let run: Vec<(At, At)> = run.iter().flatten().copied().collect();
        if run.len() > 1 {
            let around: Vec<At> =
                run.iter().map(|end| end.0).chain(run.iter().rev().map(|end| end.1)).collect();
            pen.polygon(&around, &color.mix(0.13))?;
        }
    }
    Ok(())
}

fn draw_line<B: DrawingBackend>(line: &Line, pen: &Pen<B>, frame: &Frame, style: Style) -> Drawn<B> {
    let color = pen.theme.color(style);
    if let Some((from, to)) = line.thick {
        let inside = |point: &At| from <= point.0 && point.0 <= to && frame.shows(*point);
        let part: Vec<At> = line.points.iter().filter(|p| inside(p)).map(|p| frame.at(*p)).collect();
        pen.path(&part, &color.mix(0.35), 8, 0)?;
    }
    for run in runs(line, frame) {
        if let [point] = run[..] {
            pen.circle(point, 3.0, &color, true)?;
        } else {
            pen.path(&run, &color, 2, style.dash)?;
        }
    }
    for ((x, y), spot) in &line.spots {
        if frame.shows((*x, *y)) {
            draw_spot(*spot, frame.at((*x, *y)), pen, color)?;
        }
    }
    Ok(())
}

fn draw_spot<B: DrawingBackend>(spot: Spot, (x, y): At, pen: &Pen<B>, color: RGBColor) -> Drawn<B> {
    let tip = |way: f64| [(x - 4.0 * way, y - 6.0), (x - 4.0 * way, y + 6.0), (x + 7.0 * way, y)];
    match spot {
        Spot::Dot => pen.circle((x, y), 4.5, &color, true),
        Spot::Ring => {
            pen.circle((x, y), 5.0, &pen.theme.ground(), true)?;
            pen.circle((x, y), 5.0, &color, false)
        }
        Spot::Left => pen.polygon(&tip(-1.0), &color),
        Spot::Right => pen.polygon(&tip(1.0), &color),
    }
}

fn draw_marks<B: DrawingBackend>(panel: &Panel, pen: &Pen<B>, frame: &Frame) -> Drawn<B> {
    let color = pen.theme.soft();
    let words = |anchor| Words { size: 13.0, color, anchor };
    for mark in &panel.marks {
        match mark {
            Mark::Vertical(x, text) if frame.x.shows(*x) => {
                let at = frame.at((*x, frame.y.low())).0;
                pen.path(&[(at, frame.bottom), (at, frame.top)], &color, 1, 1)?;
                // On the side where there is room.
                let left = at + width(text, 13.0) + 10.0 > frame.right;
                let (at, side) = if left { (at - 5.0, HPos::Right) } else { (at + 5.0, HPos::Left) };
                pen.text(text, (at, frame.top), words((side, VPos::Top)))?;
            }
            Mark::Horizontal(y, text) if frame.y.shows(*y) => {
                let at = frame.at((frame.x.low(), *y)).1;
                pen.path(&[(frame.left, at), (frame.right, at)], &color, 1, 1)?;
                pen.text(text, (frame.left + 5.0, at - 3.0), words((HPos::Left, VPos::Bottom)))?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn draw_crosses<B: DrawingBackend>(panel: &Panel, pen: &Pen<B>, frame: &Frame) -> Drawn<B> {
    for mark in &panel.marks {
        if let Mark::Cross(x, y) = mark
            && frame.shows((*x, *y))
        {
            let (x, y) = frame.at((*x, *y));
            for (color, width) in [(pen.theme.ground(), 5), (pen.theme.ink(), 2)] {
                for sign in [-1.0, 1.0] {
                    pen.path(&[(x - 6.0, y - 6.0 * sign), (x + 6.0, y + 6.0 * sign)], &color, width, 0)?;
                }
            }
        }
    }
    Ok(())
}

/// Each name beside the end of its line, or as near to it as the others allow, with a thin line from one to the other.
fn draw_names<B: DrawingBackend>(styled: &[(&Line, Style)], pen: &Pen<B>, frame: &Frame) -> Drawn<B> {
    let ends: Vec<(&Line, Style, At)> = styled
        .iter()
        .filter(|(line, _)| !line.faint && !line.label.is_empty())
        .filter_map(|(line, style)| {
            let last = line.points.iter().rev().find(|point| frame.shows(**point))?;
            Some((*line, *style, frame.at(*last)))
        })
        .collect();
    let wanted: Vec<f64> = ends.iter().map(|(_, _, end)| end.1).collect();
    let places = apart(&wanted, GAP, frame.top + 4.0, frame.bottom - 4.0);
    for ((line, style, end), place) in ends.into_iter().zip(places) {
        let color = pen.theme.color(style);
        let way = [
            (end.0 + 3.0, end.1),
            ((end.0 + 3.0).max(frame.right + 4.0), end.1),
            (frame.right + 16.0, place),
        ];
        // Across the panel it is only a hint.
        let from = usize::from(end.0 + 3.0 > frame.right - 2.0);
        if from == 0 {
            pen.path(&way[..2], &color.mix(0.5), 1, 2)?;
        }
        pen.path(&way[1..], &color.mix(0.7), 1, 0)?;
        let words = Words { size: NAME, color, anchor: (HPos::Left, VPos::Center) };
        pen.text(&shortened(&line.label, LETTERS), (frame.right + 20.0, place), words)?;
    }
    Ok(())
}

/// The stretches of a line that can be drawn.
fn runs(line: &Line, frame: &Frame) -> Vec<Vec<At>> {
    let parts = line.points.split(|point| !frame.shows(*point)).filter(|run| !run.is_empty());
    parts.map(|run| run.iter().map(|point| frame.at(*point)).collect()).collect()
}
