//! A config without what an older build doesn't know.

use toml::{Table, Value};

use super::error::CompareError;

/// The lists of a `[[grid]]` table.
const AXES: [&str; 4] = ["problems", "losses", "optimizers", "schedules"];

/// So many combinations of entries are tried to find one that is known.
const TRIES: usize = 64;

/// What is left of a config.
#[derive(Debug, PartialEq)]
pub(super) struct Reduced {
    /// A config that the build takes.
    pub(super) text: String,
    /// What was taken out.
    pub(super) unknown: Vec<String>,
}

/// Takes out of a config the entries that a build doesn't know; nothing if none would be left. `takes` says whether it
/// takes a config.
///
/// In each table a combination of one entry each is looked for that the build takes; then each list is tried with the
/// others held there, and halved where it fails.
pub(super) fn reduce(
    text: &str,
    mut takes: impl FnMut(&str) -> Result<bool, CompareError>,
) -> Result<Option<Reduced>, CompareError> {
    let Ok(mut config) = toml::from_str::<Table>(text) else { return Ok(None) };
    let Some(Value::Array(blocks)) = config.remove("grid") else { return Ok(None) };
    let with = |blocks: Vec<Value>| {
        let mut config = config.clone();
        config.insert("grid".into(), Value::Array(blocks));
        toml::to_string(&config).expect("a config is plain data")
    };
    let (mut kept, mut unknown) = (Vec::new(), Vec::new());
    for (number, block) in blocks.into_iter().enumerate() {
        let Value::Table(block) = block else { return Ok(None) };
        let mut takes = |block: &Table| takes(&with(vec![Value::Table(block.clone())]));
        if takes(&block)? {
            kept.push(Value::Table(block));
        } else if let Some((part, dropped)) = known_part(&block, &mut takes)? {
            kept.push(Value::Table(part));
            unknown.extend(dropped);
        } else {
            unknown.push(format!("[[grid]] {}", number + 1));
        }
    }
    unknown.dedup();
    let text = with(kept.clone());
    Ok((!kept.is_empty() && takes(&text)?).then_some(Reduced { text, unknown }))
}

/// What is left of a table, and what was taken out; none if no combination is known.
fn known_part(
    block: &Table,
    takes: &mut impl FnMut(&Table) -> Result<bool, CompareError>,
) -> Result<Option<(Table, Vec<String>)>, CompareError> {
    let lists: Vec<(&str, &Vec<Value>)> =
        AXES.iter().filter_map(|axis| Some((*axis, block.get(*axis)?.as_array()?))).collect();
    let lengths: Vec<usize> = lists.iter().map(|(_, list)| list.len()).collect();
    let mut held = None;
    for places in combinations(&lengths) {
        let mut single = block.clone();
        for ((axis, list), place) in lists.iter().zip(places) {
            single.insert((*axis).into(), Value::Array(vec![list[place].clone()]));
        }
        if takes(&single)? {
            held = Some(single);
            break;
        }
    }
    let Some(held) = held else { return Ok(None) };
    let (mut part, mut unknown) = (block.clone(), Vec::new());
    for (axis, list) in lists {
        let mut known = Vec::new();
        let mut takes = |entries: &[Value]| {
            let mut block = held.clone();
            block.insert(axis.into(), Value::Array(entries.to_vec()));
            takes(&block)
        };
        divide(list, &mut takes, &mut known, &mut |entry| {
            let name = entry.as_str().map_or_else(|| entry.to_string(), str::to_owned);
            unknown.push(format!("{name} ({axis})"));
        })?;
        part.insert(axis.into(), Value::Array(known));
    }
    Ok(Some((part, unknown)))
}

/// Places in lists of these lengths, those near the beginnings first; at most [`TRIES`].
fn combinations(lengths: &[usize]) -> Vec<Vec<usize>> {
    let mut all = Vec::new();
    if lengths.contains(&0) {
        return all;
    }
    let most: usize = lengths.iter().map(|length| length - 1).sum();
    for sum in 0..=most {
        let mut begun = vec![(Vec::new(), sum)];
        for (at, length) in lengths.iter().enumerate() {
            let rest: usize = lengths[at + 1..].iter().map(|length| length - 1).sum();
            let extend = |(places, sum): (Vec<usize>, usize)| {
                let least = sum.saturating_sub(rest);
                (least..*length.min(&(sum + 1)))
                    .map(move |place| ([&places[..], &[place]].concat(), sum - place))
            };
            begun = begun.into_iter().flat_map(extend).take(TRIES).collect();
        }
        all.extend(begun.into_iter().map(|(places, _)| places));
        if all.len() >= TRIES {
            break;
        }
    }
    all.truncate(TRIES);
    all
}

/// Finds out which entries are taken, by halves.
fn divide(
    entries: &[Value],
    takes: &mut impl FnMut(&[Value]) -> Result<bool, CompareError>,
    known: &mut Vec<Value>,
    unknown: &mut impl FnMut(&Value),
) -> Result<(), CompareError> {
    if takes(entries)? {
        known.extend_from_slice(entries);
        return Ok(());
    }
    if let [entry] = entries {
        unknown(entry);
        return Ok(());
    }
    let (first, second) = entries.split_at(entries.len() / 2);
    divide(first, takes, known, unknown)?;
    divide(second, takes, known, unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A build that doesn't know these words.
    fn reduced(text: &str, words: &[&str]) -> (Option<Reduced>, usize) {
        let mut calls = 0;
        let takes = |text: &str| {
            calls += 1;
            Ok(!words.iter().any(|word| text.contains(word)))
        };
        let reduced = reduce(text, takes).unwrap();
        (reduced, calls)
    }

    fn names(word: &str) -> String {
        (0..50).map(|i| format!("\"{word}{i}.\"")).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn one_unknown_entry_of_fifty_takes_a_dozen_calls() {
        let text = format!(
            "name = \"x\"\nlr = [0.1]\n[[grid]]\nproblems = [{{ fit = {{ dim = 2 }} }}]\noptimizers = [{}]\n",
            names("o")
        );
        let (reduced, calls) = reduced(&text, &["o17."]);
        let reduced = reduced.unwrap();
        assert_eq!(reduced.unknown, ["o17. (optimizers)"]);
        assert!(calls < 20, "{calls}");
        let mut wanted: Table = toml::from_str(&text).unwrap();
        let list = wanted["grid"][0]["optimizers"].as_array_mut().unwrap();
        list.retain(|entry| entry.as_str() != Some("o17."));
        assert_eq!(toml::from_str::<Table>(&reduced.text).unwrap(), wanted);
    }

    #[test]
    fn several_lists_and_tables_and_nothing_at_all() {
        let block = |problems: &str, optimizers: &str| {
            format!("[[grid]]\nproblems = [{problems}]\noptimizers = [{optimizers}]\nsteps = 5\n")
        };
        let text = "name = \"x\"\n".to_owned()
            + &block("\"new\", { old = { a = 1.0 } }", "{ new = { b = 2 } }, \"old\", \"old2\"")
            + &block("\"new\"", "\"old\"")
            + &block("\"old\"", "\"old\"");
        let (some, _) = reduced(&text, &["new"]);
        let some = some.unwrap();
        assert_eq!(some.unknown, ["new (problems)", "{ new = { b = 2 } } (optimizers)", "[[grid]] 2"]);
        let blocks = block("{ old = { a = 1.0 } }", "\"old\", \"old2\"") + &block("\"old\"", "\"old\"");
        let wanted: Table = toml::from_str(&("name = \"x\"\n".to_owned() + &blocks)).unwrap();
        assert_eq!(toml::from_str::<Table>(&some.text).unwrap(), wanted);

        let text = format!("name = \"x\"\n{}", block(&names("p"), &names("o")));
        let (none, calls) = reduced(&text, &["name"]);
        assert_eq!(none, None);
        assert_eq!(calls, 1 + TRIES);
        assert_eq!(reduced("no config", &["name"]).0, None);
    }

    #[test]
    fn combinations_begin_at_the_beginning() {
        assert_eq!(combinations(&[2, 2]), [[0, 0], [0, 1], [1, 0], [1, 1]]);
        assert_eq!(combinations(&[1, 3]), [[0, 0], [0, 1], [0, 2]]);
        assert_eq!(combinations(&[50, 50, 50]).len(), TRIES);
        assert_eq!(combinations(&[0, 3]), Vec::<Vec<usize>>::new());
    }
}
