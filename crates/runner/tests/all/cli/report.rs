//! `optbench report`: the page in a real browser, the figures, a run that isn't finished, and what it says when there is
//! nothing to show.

use std::fs;
use std::path::PathBuf;

use serde_json::json;

use crate::cli::browser::Browser;
use crate::sandbox::{Sandbox, text};

/// Twelve optimizers, so that some aren't shown at first; names and texts that would be markup if they weren't escaped.
const CONFIG: &str = r#"
# </script><script>document.title = "broken out"</script>
name = "x"
steps = 300
seeds = { tuning = 2, reporting = 3 }
lr = { from = 0.001, to = 10, per_decade = 1 }
record = { log = 20 }

[[grid]]
problems = ["line_fit"]
losses = ["plateau", "mse", { formula = { value = "where(abs(d) < edge, d*d, abs(d))", constants = { edge = 0.5 } } }]
optimizers = ["sgd", "adam", "rmsprop", "adagrad", "lion", "nesterov"]
schedules = ["constant", "cosine"]

[[grid]]
problems = ["himmelblau", "rosenbrock"]
optimizers = ["sgd", "adam", "lbfgs"]
"#;

fn ran(config: &str) -> Sandbox {
    let sandbox = Sandbox::with("x", config);
    sandbox.run("x.toml --jobs 2").works();
    sandbox
}

fn reported(sandbox: &Sandbox, more: &str) -> PathBuf {
    let printed = sandbox.run(&format!("report results/x {more}")).works().stdout;
    assert_eq!(printed, "results/x/report.html\n");
    sandbox.results("x").join("report.html")
}

/// Pixels of a chart that have about this color.
fn pixels(browser: &mut Browser, chart: usize, color: &str) -> u64 {
    let count = browser.value(&format!(
        "(() => {{ const canvas = document.querySelectorAll('#explorer canvas')[{chart}]; \
         const {{ data }} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height); \
         const wanted = [1, 3, 5].map((at) => parseInt('{color}'.slice(at, at + 2), 16)); \
         let count = 0; \
         for (let k = 0; k < data.length; k += 4) \
             count += data[k + 3] > 200 && wanted.every((value, c) => Math.abs(value - data[k + c]) < 12) ? 1 : 0; \
         return count; }})()"
    ));
    count.as_u64().unwrap()
}

#[test]
fn the_page_works_in_a_browser_by_day_and_by_night() {
    let sandbox = ran(CONFIG);
    let beside = sandbox.path().join("results/<b>slow");
    fs::create_dir_all(&beside).unwrap();
    let diagnosis = json!({
        "verdict": "slow by a plateau <img src=x onerror=\"document.title = 'broken out'\">",
        "findings": [{ "cause": "plateau", "evidence": "the slope is 1000 times smaller" }],
        "fixes": [{ "name": "huber", "change": "use Huber", "steps": 51, "baseline_steps": 15006, "line_fit": { "steps": null } }],
        "region": "1 parameter",
    });
    fs::write(beside.join("diagnosis.json"), diagnosis.to_string()).unwrap();
    let page = reported(&sandbox, "--no-figures");
    for (dark, sgd) in [(false, "#000000"), (true, "#f0f0f0")] {
        let Some(mut browser) = Browser::open(&page, dark) else { return };
        browser.settle();
        browser.shoot(if dark { "report-dark" } else { "report-light" });
        assert_eq!(browser.value("document.title"), "x: optbench");
        assert_eq!(browser.value("document.querySelectorAll('img, b').length"), 0);
        let ground = browser.value("getComputedStyle(document.body).backgroundColor");
        assert_eq!(ground, if dark { "rgb(20, 22, 26)" } else { "rgb(255, 255, 255)" });

        // The table sorts by a click, and the other way round from the keyboard.
        let first = "document.querySelector('#rows tbody tr').cells[8].textContent";
        let erts = "[...document.querySelectorAll('#rows tbody tr')].map((row) => parseFloat(row.cells[8].textContent)) \
                    .filter((ert) => !Number.isNaN(ert))";
        browser.point("#rows th:nth-child(9) button", true);
        assert_eq!(browser.value("document.querySelector('#rows th:nth-child(9)').ariaSort"), "ascending");
        assert_eq!(
            browser.value(&format!("({erts}).every((ert, k, all) => k === 0 || all[k - 1] <= ert)")),
            true
        );
        let least = browser.value(first);
        browser.key("Enter");
        assert_eq!(browser.value("document.querySelector('#rows th:nth-child(9)').ariaSort"), "descending");
        assert_eq!(
            browser.value(&format!("({erts}).every((ert, k, all) => k === 0 || all[k - 1] >= ert)")),
            true
        );
        assert_ne!(browser.value(first), least);
        // What never arrives is last both ways.
        assert_eq!(
            browser.value("document.querySelector('#rows tbody tr:last-child').cells[8].textContent.trim()"),
            "–"
        );

        browser.value("document.getElementById('filter').focus()");
        browser.ask("Input.insertText", &json!({ "text": "plateau adam" }));
        browser.settle();
        assert_eq!(browser.value("document.getElementById('count').textContent"), "2 of 42 rows");
        assert_eq!(browser.value("document.querySelectorAll('#rows tbody tr:not([hidden])').length"), 2);

        // A box hides its line: no pixel of its color is left, for nothing else has it.
        browser.value("document.getElementById('workload').value = 3; document.getElementById('workload').dispatchEvent(new Event('change'))");
        browser.settle();
        assert!(pixels(&mut browser, 0, sgd) > 100);
        browser.point("#explorer label[title=sgd] input", true);
        assert_eq!(pixels(&mut browser, 0, sgd), 0);
        browser.key(" ");
        assert!(pixels(&mut browser, 0, sgd) > 100, "the space bar shows it again");
        browser.value("document.getElementById('workload').value = 0; document.getElementById('workload').dispatchEvent(new Event('change'))");
        let checked = "document.querySelectorAll('#explorer input:checked').length";
        assert_eq!(
            (browser.value(checked), browser.value("document.querySelectorAll('#explorer input').length")),
            (json!(8), json!(12))
        );

        // The mouse, or arrow keys, show the values.
        browser.point("#explorer .u-over", false);
        let shown = "[...document.querySelectorAll('#explorer output')].filter((output) => /\\d/.test(output.textContent)).length";
        let sandbox = "document.querySelector('#explorer .where').textContent";
        assert!(
            browser.value(sandbox).as_str().unwrap().starts_with("error at step "),
            "{}",
            browser.value(sandbox)
        );
        assert_eq!(browser.value(shown), 8);
        let before = browser.value(sandbox);
        browser.value("document.querySelector('#explorer .uplot').focus()");
        browser.key("ArrowRight");
        assert_ne!(browser.value(sandbox), before);
        assert_eq!(browser.value(shown), 8);

        assert_eq!(browser.complaints(), [""; 0]);
        assert_eq!(browser.requests(), 1, "the page itself");
    }
}

#[test]
fn everything_but_the_charts_is_there_without_javascript() {
    let sandbox = ran(CONFIG);
    let with_ways = "--config x.toml";
    let page = fs::read_to_string(reported(&sandbox, with_ways)).unwrap();
    let body = &page[..page.find("<script type").unwrap()];
    assert!(body.contains("<noscript>") && body.contains("Without JavaScript"));
    assert_eq!(body.matches("<td class=\"l\">line_fit").count(), 36);
    assert!(body.contains("where(abs(d) &lt; edge") && !body.contains("< edge"));
    assert!(body.contains("Mean ranks") && body.contains("himmelblau: the ways from seed"));
    assert!(!page.contains("</script><script>document") && !page.contains("http://127"));

    // All figures, each in three files, and the same bytes again.
    let read = || {
        let folder = fs::read_dir(sandbox.results("x").join("report")).unwrap();
        let mut files: Vec<(String, Vec<u8>)> = folder
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
            .collect();
        files.sort();
        files
    };
    let files = read();
    let names: Vec<&str> = files.iter().filter_map(|file| file.0.strip_suffix(".png")).collect();
    assert_eq!(files.len(), 3 * names.len() + 1, "and figures.json");
    for part in [
        "curves-line_fit-mse",
        "rates-himmelblau",
        "heat-rosenbrock",
        "landscape-2",
        "losses",
        "profiles",
        "ranks",
    ] {
        assert!(names.contains(&part), "{part} is not in {names:?}");
    }
    // Figures of an earlier report go, and what the user put there stays.
    let folder = sandbox.results("x").join("report");
    fs::write(folder.join("mine.svg"), "mine").unwrap();
    fs::write(folder.join("old.svg"), "old").unwrap();
    let list = fs::read_to_string(folder.join("figures.json")).unwrap();
    let of_old = "cba06b5736faf67e54b07b561eae94395e774c517a7d910a54369e1263ccfbd4";
    fs::write(folder.join("figures.json"), list.replacen('{', &format!("{{\"old.svg\": \"{of_old}\","), 1))
        .unwrap();
    assert_eq!(fs::read_to_string(reported(&sandbox, with_ways)).unwrap(), page);
    fs::remove_file(folder.join("mine.svg")).unwrap();
    assert!(read() == files, "the figures are the same bytes, and no other is left");

    // Without the config nothing is run, and landscapes are drawn without ways.
    let page = fs::read_to_string(reported(&sandbox, "")).unwrap();
    assert!(page.contains("himmelblau: the landscape") && !page.contains("himmelblau: the ways from seed"));
    sandbox.config("x", &format!("{CONFIG}# edited\n"));
    sandbox
        .run("report results/x --config x.toml")
        .fails(2)
        .says("isn't the config that these results are of");
}

#[test]
fn a_running_grid_is_shown_as_far_as_it_is() {
    let sandbox = ran(CONFIG);
    let folder = sandbox.results("x");
    assert!(!folder.join("running.json").exists(), "it is finished");
    // A run that can't write its results has made its parts.
    fs::remove_file(folder.join("table.csv")).unwrap();
    fs::create_dir(folder.join("table.csv")).unwrap();
    sandbox.run("x.toml").fails(1);
    let mut parts: Vec<PathBuf> = fs::read_dir(folder.join("parts"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "part"))
        .collect();
    parts.sort();
    let count = parts.len();
    // Finished results, where there are any, are what is shown.
    let page = fs::read_to_string(reported(&sandbox, "")).unwrap();
    let newer =
        format!("a new run of the same config is unfinished ({count} of {count} parts; run x.toml again");
    assert!(page.contains(&newer) && !page.contains("still running"));
    for name in ["cells.csv", "manifest.json"] {
        fs::remove_file(folder.join(name)).unwrap();
    }
    parts[count / 2..].iter().for_each(|path| fs::remove_file(path).unwrap());
    let page = fs::read_to_string(reported(&sandbox, "")).unwrap();
    assert!(page.contains(&format!("{} of {count} parts, of 1050 runs in all", count / 2)));
    assert!(page.contains("still running") && page.contains("\"steps\":[0,1,"));

    parts[..count / 2].iter().for_each(|path| fs::remove_file(path).unwrap());
    sandbox.run("report results/x").fails(2).says("no part of the run in results/x is there yet");
}

#[test]
fn grids_of_one_cell_and_of_nothing_but_divergence_are_shown() {
    let sandbox = ran(
        "name = 'x'\nsteps = 20\nseeds = { tuning = 0, reporting = 1 }\nlr = [0.1]\nrecord = 'summary'\n[[grid]]\n\
         problems = ['line_fit']\nlosses = ['mse']\noptimizers = ['sgd']\n",
    );
    let page = fs::read_to_string(reported(&sandbox, "")).unwrap();
    assert!(page.contains("<td class=\"l\">line_fit") && !page.contains("Mean ranks"));
    let sandbox = ran(
        "name = 'x'\nsteps = 50\nseeds = { tuning = 1, reporting = 2 }\nlr = [100, 1000]\nrecord = { every = 1 }\n[[grid]]\n\
         problems = ['rosenbrock', 'beale']\noptimizers = ['sgd', 'heavy_ball']\n",
    );
    let page = reported(&sandbox, "");
    assert!(fs::read_to_string(&page).unwrap().contains("100 %"));
    let Some(mut browser) = Browser::open(&page, false) else { return };
    browser.settle();
    browser.shoot("report-diverged");
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn what_cannot_be_shown_is_said() {
    let sandbox = Sandbox::new();
    let refused = |sandbox: &Sandbox| sandbox.run("report results/x").fails(2).prints_nothing();
    refused(&sandbox).says("there is no results folder results/x").says("run a grid first");
    fs::create_dir_all(sandbox.results("x")).unwrap();
    refused(&sandbox).says("holds no cells.csv");

    let sandbox = ran(CONFIG);
    let path = sandbox.results("x").join("cells.csv");
    let whole = text(&fs::read(&path).unwrap());
    let manifest = sandbox.results("x").join("manifest.json");
    fs::write(&path, whole.replacen("line_fit", "line_fig", 1)).unwrap();
    refused(&sandbox).says("cells.csv isn't what the manifest.json beside it says");
    // Where there is no manifest, the file itself must be sound.
    fs::rename(&manifest, sandbox.path().join("kept")).unwrap();
    fs::write(&path, whole.lines().next().unwrap().to_owned() + "\n").unwrap();
    refused(&sandbox).says("has no cells");
    fs::write(&path, "").unwrap();
    refused(&sandbox).says("is empty");
    fs::write(&path, whole.replacen("outcome,budget,", "outcome,", 1)).unwrap();
    refused(&sandbox).says("the column `budget` of cells.csv of schemas 3 to 4 is missing");
    fs::write(&path, &whole).unwrap();
    fs::rename(sandbox.path().join("kept"), &manifest).unwrap();
    fs::create_dir(sandbox.results("x").join("report.html")).unwrap();
    sandbox.run("report results/x").fails(1).says("can't write results/x/report.html");

    // Without curves and manifest there is still a page, which says so.
    fs::remove_dir(sandbox.results("x").join("report.html")).unwrap();
    fs::remove_file(sandbox.results("x").join("curves.csv")).unwrap();
    fs::remove_file(sandbox.results("x").join("manifest.json")).unwrap();
    let page = fs::read_to_string(reported(&sandbox, "--no-figures")).unwrap();
    for part in ["There are no curves here", "manifest.json isn&#39;t beside", "can&#39;t read the config"] {
        assert!(page.contains(part), "{part}");
    }
}
