//! One HTML file that needs nothing else.

use std::fmt::Write;

use serde_json::Value;

use super::html::{escaped, table};
use super::{Results, charts};
use analysis::table::{Edge, Row};
use records::number::{NONE, short, steps};

/// What a page says besides the results.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// The name of the grid.
    pub name: String,
    /// Where it stands: finished, or how many parts there are.
    pub state: String,
    /// Whether it is still running.
    pub running: bool,
    /// What isn't there, and how to get it.
    pub missing: Vec<String>,
    /// The manifest without the config.
    pub manifest: String,
    /// The config.
    pub config: String,
    /// Diagnoses beside it: the name, and `diagnosis.json`.
    pub diagnoses: Vec<(String, Value)>,
    /// Pictures to be shown: what they show, as SVG on white and on a dark ground.
    pub pictures: Vec<(String, [String; 2])>,
}

const COLUMNS: [(&str, &str); 13] = [
    ("problem", "what is trained"),
    ("loss", "what is minimized; - where the problem is its own loss"),
    ("optimizer", "the update rule, with the options that differ from its defaults"),
    ("schedule", "how the learning rate changes"),
    (
        "lr",
        "the learning rate that is best on the tuning seeds; ↓ ↑ the first or last of its grid; † chosen on the seeds that are reported",
    ),
    ("success", "runs that reached the target, of those reported"),
    ("steps", "median steps to the target [quartiles]; – not reached"),
    ("evaluations", "median gradient evaluations to the target"),
    ("ERT", "expected running time: steps spent per success"),
    ("final error", "median error at the end"),
    ("diverged", "share of the runs that diverged"),
    ("basin", "decades of learning rate within twice the least error"),
    ("trouble", "what kept most runs from the target"),
];

const SOLVERS: [(&str, &str); 6] = [
    ("optimizer", "the update rule"),
    ("schedule", "how the learning rate changes"),
    ("score", "AlgoPerf's score: the mean of the performance profile between 1 and 4"),
    ("mean rank", "the mean rank by steps to the target; 1 is the fastest"),
    ("solved", "workloads on which the median run reached the target"),
    ("workloads", "workloads that it was run on"),
];

/// The page. It asks for no other file, and runs from a disk.
#[must_use]
pub fn page(results: &Results, about: &About) -> String {
    let mut out = String::new();
    let name = escaped(&about.name);
    let style = [include_str!("vendor/uPlot.min.css"), include_str!("page.css")].concat();
    let _ = writeln!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'unsafe-inline'; img-src data:\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <link rel=\"icon\" href=\"data:,\">\n<title>{name}: optbench</title>\n<style>\n{style}</style>\n\
         <script>document.documentElement.classList.add(\"scripted\")</script>\n</head>\n<body>"
    );
    let _ = writeln!(out, "<header><h1>{name}</h1><p>{}</p>", escaped(&about.state));
    if about.running {
        out.push_str("<p class=\"note\">The grid is still running: this is what its parts say so far.</p>\n");
    }
    let sections = [
        ("convergence", "Convergence", !results.table.rows.is_empty()),
        ("curves", "Curves", true),
        ("scores", "Scores", true),
        ("pictures", "Pictures", !about.pictures.is_empty()),
        ("diagnoses", "Diagnoses", !about.diagnoses.is_empty()),
        ("manifest", "Manifest", true),
    ];
    out.push_str("<nav>");
    for (id, title, _) in sections.iter().filter(|section| section.2) {
        let _ = write!(out, "<a href=\"#{id}\">{title}</a> ");
    }
    out.push_str("</nav></header>\n<main>\n");
    out.push_str(
        "<noscript><p class=\"note\">Without JavaScript the charts (curves, learning rates, profiles) are missing, and \
         tables can't be sorted or filtered. Everything else is here, and the folder <code>report</code> beside this \
         file has the charts as figures.</p></noscript>\n",
    );
    for missing in &about.missing {
        let _ = writeln!(out, "<p class=\"note\">{}</p>", escaped(missing));
    }
    convergence(&mut out, results);
    charts_of_curves(&mut out);
    scores(&mut out, results);
    pictures(&mut out, about);
    diagnoses(&mut out, about);
    let _ = writeln!(
        out,
        "<section id=\"manifest\"><h2>Manifest</h2>\n<pre tabindex=\"0\">{}</pre>\n<h3>Config</h3>\n<pre tabindex=\"0\">{}</pre></section>\n</main>",
        escaped(&about.manifest),
        escaped(&about.config)
    );
    let _ = writeln!(
        out,
        "<script type=\"application/json\" id=\"data\">{}</script>\n<script>\n{}\n{}</script>\n</body>\n</html>",
        charts::json(results),
        include_str!("vendor/uPlot.iife.min.js"),
        include_str!("page.js")
    );
    out
}

fn convergence(out: &mut String, results: &Results) {
    out.push_str(
        "<section id=\"convergence\"><h2>Convergence</h2>\n<p>One row a problem, loss, optimizer and schedule, at the \
         learning rate that was best on the tuning seeds. Bold: the best of its problem. A click on a heading sorts.</p>\n\
         <p class=\"js\"><label>Filter <input type=\"search\" id=\"filter\" placeholder=\"words that a row must have\" \
         autocomplete=\"off\"></label> <span id=\"count\" role=\"status\"></span></p>\n",
    );
    let rows: Vec<(bool, Vec<String>)> =
        results.table.rows.iter().map(|row| (row.best, cells(row).to_vec())).collect();
    for mixed in &results.table.mixed {
        let _ = writeln!(out, "<p class=\"note\">{}</p>", escaped(&mixed.note()));
    }
    out.push_str(&table("rows", &COLUMNS, &rows, 4));
    out.push_str("</section>\n");
}

fn cells(row: &Row) -> [String; COLUMNS.len()] {
    let edge = match row.edge {
        Edge::Inside => "",
        Edge::Low => "↓",
        Edge::High => "↑",
    };
    let same = if row.tuned_on == records::Role::Reporting { "†" } else { "" };
    let asked = row.target.is_some() && row.seeds > 0;
    let reached = (row.success_rate * row.seeds as f64).round();
    let ends = format!(" [{}..{}]", steps(row.steps_q25), steps(row.steps_q75));
    [
        row.problem.clone(),
        row.loss.clone(),
        row.optimizer.clone(),
        row.schedule.clone(),
        format!("{}{edge}{same}", short(row.lr)),
        if asked { format!("{reached}/{}", row.seeds) } else { NONE.to_owned() },
        steps(row.steps_median) + if row.steps_median.is_finite() { &ends } else { "" },
        steps(row.evaluations_median),
        steps(row.ert),
        short(row.final_error_median),
        if row.diverged_rate > 0.0 { format!("{:.0} %", 100.0 * row.diverged_rate) } else { String::new() },
        short(row.basin_decades),
        row.trouble.to_string(),
    ]
}

fn charts_of_curves(out: &mut String) {
    out.push_str(
        "<section id=\"curves\" class=\"js\"><h2>Curves</h2>\n<p><label>Workload <select id=\"workload\"></select></label></p>\n\
         <p class=\"hint\">Medians over seeds with their quartiles, each optimizer at its chosen rate. In the chart of learning \
         rates a ring is the chosen rate, a triangle one at the edge of its grid, and the thick part the basin, within twice the least \
         error. Point at a chart for values, or focus it and use the arrow keys; drag to zoom, double-click for all.</p>\n\
         <div class=\"explorer\" id=\"explorer\"></div></section>\n",
    );
}

fn scores(out: &mut String, results: &Results) {
    out.push_str(
        "<section id=\"scores\"><h2>Scores</h2>\n<p>Over all workloads that an optimizer was run on, and to be compared where these \
         are as many. They are relative: another optimizer in the grid can reorder them.</p>\n",
    );
    let fixed = |value: f64, places: usize| {
        if value.is_nan() { NONE.to_owned() } else { format!("{value:.places$}") }
    };
    let row = |place: usize| {
        let solver = &results.scores.solvers[place];
        let cells = [
            solver.optimizer.clone(),
            solver.schedule.clone(),
            fixed(solver.score, 3),
            fixed(solver.mean_rank, 2),
            solver.solved.to_string(),
            solver.workloads.to_string(),
        ];
        (false, cells.to_vec())
    };
    let rows: Vec<_> = results.by_score().into_iter().map(row).collect();
    out.push_str(&table("solvers", &SOLVERS, &rows, 2));
    let _ = writeln!(
        out,
        "<p class=\"js hint\">The charts are of the optimizers that ran on the same {}.</p>",
        results.common().words()
    );
    out.push_str("<div class=\"explorer js\" id=\"profiles\"></div></section>\n");
}

fn pictures(out: &mut String, about: &About) {
    if about.pictures.is_empty() {
        return;
    }
    out.push_str("<section id=\"pictures\"><h2>Pictures</h2>\n");
    for (what, [light, dark]) in &about.pictures {
        let _ = writeln!(
            out,
            "<figure role=\"img\" aria-label=\"{0}\"><div class=\"light\">{light}</div><div class=\"dark\">{dark}</div></figure>",
            escaped(what)
        );
    }
    out.push_str("</section>\n");
}

fn diagnoses(out: &mut String, about: &About) {
    if about.diagnoses.is_empty() {
        return;
    }
    out.push_str("<section id=\"diagnoses\"><h2>Diagnoses</h2>\n");
    let text = |value: &Value| value.as_str().map(escaped).unwrap_or_default();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let count = |value: &Value| value.as_u64().map_or("never".to_owned(), |steps| steps.to_string());
    for (name, diagnosis) in &about.diagnoses {
        let _ = write!(
            out,
            "<article><h3>{}</h3>\n<p><strong>{}</strong></p>\n<ul>",
            escaped(name),
            text(&diagnosis["verdict"])
        );
        for finding in list(&diagnosis["findings"]) {
            let _ = write!(out, "<li>{}: {}</li>", text(&finding["cause"]), text(&finding["evidence"]));
        }
        out.push_str("</ul>\n<table><thead><tr><th class=\"l\">fix</th><th>steps</th><th>yours</th><th>line fit</th><th class=\"l\">what to do</th></tr></thead><tbody>");
        for fix in list(&diagnosis["fixes"]) {
            let line =
                if fix["line_fit"].is_object() { count(&fix["line_fit"]["steps"]) } else { NONE.to_owned() };
            let _ = writeln!(
                out,
                "<tr><td class=\"l\">{}<td>{}<td>{}<td>{line}<td class=\"l\">{}",
                text(&fix["name"]),
                count(&fix["steps"]),
                count(&fix["baseline_steps"]),
                text(&fix["change"])
            );
        }
        let _ =
            writeln!(out, "</tbody></table>\n<p class=\"hint\">{}</p></article>", text(&diagnosis["region"]));
    }
    out.push_str("</section>\n");
}
