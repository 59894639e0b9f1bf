//! The figures of results, by their structure: which there are, what stands in them, and how much is drawn.

#[expect(dead_code, reason = "what other tests need of it")]
mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use analysis::figures::{Picture, Theme};
use analysis::records::{Cell, Key, Point, Role};
use analysis::report::{About, Builder, NAMED, Results, page};
use analysis::table;
use common::{End, cell};

/// Results of cells whose errors fall from 2 to where they end, or rise tenfold a step.
fn results(cells: &[Cell]) -> Results {
    let mut first = table::Builder::new();
    for cell in cells {
        first.add(cell);
    }
    let mut second = Builder::new(first.finish_tuned());
    for cell in cells {
        second.add(cell);
    }
    for cell in cells {
        for step in [0, 1, 10, 100, 1000].into_iter().filter(|step| *step <= cell.steps) {
            let share = step as f64 / 1000.0;
            let falling = 2.0 + (cell.final_error - 2.0) * share;
            let error = if falling.is_nan() { 2.0 * 10_f64.powi(step as i32) } else { falling };
            second.add_point(&Point {
                key: cell.key,
                step,
                loss: error - 0.5,
                error,
                gradient_norm: 1.0,
                lr: cell.lr,
            });
        }
    }
    second.finish(&["sgd", "adam", "lion"])
}

/// Every optimizer at three rates, two tuning seeds and three others.
fn grid(problems: &[&str], optimizers: &[String], end: impl Fn(usize, usize) -> End) -> Vec<Cell> {
    let mut cells = Vec::new();
    for problem in problems {
        for (o, optimizer) in optimizers.iter().enumerate() {
            for (r, lr) in [0.01, 0.1, 1.0].into_iter().enumerate() {
                for seed in 1..=5 {
                    let role = if seed <= 2 { Role::Tuning } else { Role::Reporting };
                    let labels = [*problem, "mse", optimizer.as_str(), "constant"];
                    let key = Key(cells.len() as u64);
                    cells.push(Cell { key, ..cell(labels, lr, role, seed, end(o, r)) });
                }
            }
        }
    }
    cells
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// The texts of an SVG, and in how many colours each other kind of element is drawn: dashes are many elements.
fn structure(svg: &str) -> String {
    let mut colours: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut out = String::new();
    for element in svg.split('<').skip(1).filter(|element| !element.starts_with('/')) {
        let name = element.split([' ', '>']).next().unwrap_or_default();
        if name == "text" {
            let text = element.split_once('>').map_or("", |(_, text)| text.trim());
            let _ = writeln!(out, "  {text}");
        } else {
            let colour = element.split("=\"#").nth(1).map_or("none", |rest| &rest[..6]);
            colours.entry(name).or_default().insert(colour);
        }
    }
    let counts: Vec<String> = colours.iter().map(|(name, all)| format!("{name} in {}", all.len())).collect();
    format!("  {}\n{out}", counts.join(", "))
}

fn structures(results: &Results) -> String {
    let gallery = results.gallery();
    let one = |(name, drawing): &(String, _)| {
        format!("{name}\n{}", structure(&Picture::svg(drawing, Theme::Light).unwrap()))
    };
    gallery.iter().map(one).collect()
}

fn mixed(o: usize, r: usize) -> End {
    match (o, r) {
        (0, 2) => End::Diverged(7),
        (0, _) => End::Budget(0.5),
        (1, 1) => End::Reached(40),
        _ => End::Budget(0.1 * (r + 1) as f64),
    }
}

#[test]
fn the_figures_of_two_workloads() {
    let cells = grid(&["fit", "other"], &names(&["sgd", "adam", "adam(beta1=0.5)"]), mixed);
    insta::assert_snapshot!(structures(&results(&cells)));
}

#[test]
fn the_figures_where_everything_diverged() {
    let cells = grid(&["fit"], &names(&["sgd", "adam"]), |_, _| End::Diverged(3));
    insta::assert_snapshot!(structures(&results(&cells)));
}

#[test]
fn the_figures_of_a_single_run() {
    let labels = ["fit", "mse", "sgd", "constant"];
    insta::assert_snapshot!(structures(&results(&[cell(
        labels,
        0.1,
        Role::Reporting,
        1,
        End::Budget(0.25)
    )])));
}

#[test]
fn profiles_are_of_solvers_that_ran_on_the_same_workloads() {
    let end = |o: usize, r: usize| End::Reached(10 * (o + 1) as u64 + r as u64);
    let mut cells = grid(&["a", "b"], &names(&["sgd", "adam", "yogi"]), end);
    cells.extend(grid(&["a", "b", "c"], &names(&["lion"]), end));
    cells.extend(grid(&["c"], &names(&["adan"]), end));
    // Keys are counted anew by each grid.
    for (key, cell) in cells.iter_mut().enumerate() {
        cell.key = Key(key as u64);
    }
    let results = results(&cells);
    let gallery = results.gallery();
    let svg = |name: &str| gallery.iter().find(|one| one.0 == name).unwrap().1.svg(Theme::Light).unwrap();
    for figure in ["profiles", "ranks"] {
        let svg = svg(figure);
        assert!(svg.contains("over 2 workloads; 2 others ran on other workloads"), "{figure}: {svg}");
        let named = |name: &str| svg.contains(name);
        assert!(["sgd", "adam", "yogi"].into_iter().all(named), "{figure}: {svg}");
        assert!(!["lion", "adan"].into_iter().any(named), "{figure}: {svg}");
    }
    let page = page(&results, &About::default());
    assert!(page.contains("ran on the same 2 workloads; 2 others ran on other workloads"));
    let order = page.split("\"order\":").nth(1).unwrap().split(']').next().unwrap();
    assert_eq!(order.split(',').count(), 3, "{order}");
}

#[test]
fn a_page_says_which_workloads_mix_budgets() {
    let mut cells = grid(&["fit"], &names(&["sgd", "adam"]), |_, _| End::Reached(10));
    cells.iter_mut().filter(|cell| cell.optimizer == "adam").for_each(|cell| cell.budget = 50);
    let page = page(&results(&cells), &About::default());
    assert!(page.contains("rows of fit with mse differ in budget (50, 1000)"));
}

#[test]
fn of_forty_optimizers_the_best_are_named() {
    let many: Vec<String> = (0..40).map(|k| format!("optimizer_{k:02}")).collect();
    let cells = grid(&["fit"], &many, |o, r| End::Budget(0.01 * (o + 1) as f64 + 0.001 * r as f64));
    let results = results(&cells);
    let gallery = results.gallery();
    let svg = |name: &str| gallery.iter().find(|one| one.0 == name).unwrap().1.svg(Theme::Light).unwrap();
    let named = |svg: &str| many.iter().filter(|name| svg.contains(name.as_str())).count();
    assert_eq!(named(&svg("curves-fit-mse")), NAMED);
    assert!(svg("curves-fit-mse").contains("the best 8 of 40 named"));
    assert!(
        svg("curves-fit-mse").contains("optimizer_00") && !svg("curves-fit-mse").contains("optimizer_08")
    );
    assert_eq!(named(&svg("heat-fit-mse")), 40);
    assert_eq!(named(&page(&results, &About::default())), 40);
}

#[test]
fn numbers_in_figures_are_those_of_the_table() {
    let results = results(&grid(&["fit"], &names(&["sgd", "adam"]), mixed));
    let workload = &results.workloads()[0];
    let figure = results.convergence(workload).unwrap();
    for (line, row) in figure.panels[0].lines.iter().zip(&workload.rows) {
        let row = &results.table.rows[*row];
        assert_eq!(line.label, row.optimizer);
        // A run that reached its target at step 40 was recorded until step 10.
        if row.steps_median.is_infinite() {
            assert_eq!(line.points.last().unwrap().1, row.final_error);
        }
    }
    let rates = results.sensitivity(workload);
    for (line, row) in rates.panels[0].lines.iter().zip(&workload.rows) {
        let chosen = line.spots[0].0;
        assert_eq!(chosen.0, results.table.rows[*row].lr);
        let rate = results.grids[*row].iter().find(|rate| rate.lr == chosen.0).unwrap();
        assert_eq!(chosen.1, rate.error);
        assert_eq!(line.points.len(), results.table.rows[*row].rates as usize);
    }
}

#[test]
fn the_page_is_whole_and_always_the_same() {
    let results = results(&grid(&["<fit>", "other"], &names(&["sgd", "adam"]), mixed));
    let about = About { name: "</title><script>".into(), config: "</pre>&".into(), ..About::default() };
    let html = page(&results, &about);
    assert_eq!(html, page(&results, &about));
    assert!(html.contains("<title>&lt;/title&gt;&lt;script&gt;: optbench</title>"));
    assert!(html.contains("&lt;/pre&gt;&amp;</pre>"));
    assert!(html.contains("<td class=\"l\">&lt;fit&gt;") && html.contains("\\u003cfit> · mse"));
    assert_eq!(html.matches("</script>").count(), 3);
    // The only addresses are names of forms, and that in the library's comment.
    for address in html.split("http").skip(1) {
        assert!(
            address.starts_with("-equiv")
                || address.starts_with("s://github.com/leeoniya/uPlot")
                || address.starts_with("://www.w3.org/"),
            "http{}",
            &address[..40]
        );
    }
}
