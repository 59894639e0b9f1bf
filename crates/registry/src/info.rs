//! What a person reads about an entry, read from its doc comment.

/// What a person reads about an entry in `optbench list`. Nothing in it ends in a full stop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// One sentence: the first paragraph.
    pub summary: String,
    /// The formula, in the symbols of the paper: the first block of `text`, line by line.
    pub formula: String,
    /// How a config may name it: the first block of `toml`, where options need an example.
    pub example: String,
    /// Authors, year and title of the paper, or who defined it: the paragraph `Source: …`.
    pub source: String,
    /// Whose numbers it was held to: the paragraph `Checked against: …`.
    pub checked_against: String,
    /// Its options, in the order of their declaration.
    pub options: Vec<OptionInfo>,
}

/// What a person reads about an option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionInfo {
    /// Its name in configs.
    pub name: &'static str,
    /// What it is: its doc comment.
    pub about: String,
    /// What numbers it takes, such as `above 0`; empty for what has no range.
    pub range: String,
}

impl Info {
    /// Reads the doc comment of an entry.
    #[must_use]
    pub fn new(docs: &str, options: Vec<Option<OptionInfo>>) -> Self {
        let blocks = blocks(docs);
        let fenced = |language| {
            let block = blocks.iter().find(|block| block.language == Some(language));
            block.map_or_else(String::new, |block| block.lines.join("\n"))
        };
        let paragraph = |start: &str| {
            let mut paragraphs =
                blocks.iter().filter(|block| block.language.is_none() && !block.lines.is_empty());
            paragraphs.find_map(|block| sentence(&block.lines).strip_prefix(start).map(str::to_owned))
        };
        Self {
            summary: paragraph("").unwrap_or_default(),
            formula: fenced("text"),
            example: fenced("toml"),
            source: paragraph("Source: ").unwrap_or_default(),
            checked_against: paragraph("Checked against: ").unwrap_or_default(),
            options: options.into_iter().flatten().collect(),
        }
    }

    /// What is missing, or not as a list prints it.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut check = |what: &str, text: &str, sentences: usize| {
            if text.trim().is_empty() {
                faults.push(format!("{what} is missing"));
            }
            if text.ends_with('.') || text.split(". ").count() > sentences {
                faults.push(format!("{what} has a full stop too many: {text}"));
            }
            if text.contains("[`") || text.contains("](") {
                faults.push(format!("{what} has a link, which a terminal doesn't show: {text}"));
            }
        };
        check("the summary", &self.summary, 1);
        check("the paragraph `Source: …`", &self.source, usize::MAX);
        if !self.checked_against.is_empty() {
            check("the paragraph `Checked against: …`", &self.checked_against, usize::MAX);
        }
        for OptionInfo { name, about, .. } in &self.options {
            check(&format!("the doc comment of `{name}`"), about, usize::MAX);
        }
        faults
    }
}

impl OptionInfo {
    /// Reads the doc comment of a field, which is no option where its attribute of serde skips it.
    #[must_use]
    pub fn new(name: &'static str, docs: &str, serde: &str, range: String) -> Option<Self> {
        (serde != "skip").then(|| Self { name, about: sentence(&docs.lines().collect::<Vec<_>>()), range })
    }
}

/// A paragraph, or what stands between two fences.
struct Block<'a> {
    /// Of a paragraph none; of a test empty.
    language: Option<&'a str>,
    lines: Vec<&'a str>,
}

fn blocks(docs: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut block = Block { language: None, lines: Vec::new() };
    for line in docs.lines().map(|line| line.strip_prefix(' ').unwrap_or(line)) {
        let language = match (line.strip_prefix("```"), block.language) {
            (Some(language), None) => Some(language),
            (Some(_), Some(_)) => None,
            (None, None) if line.is_empty() => None,
            (None, _) => {
                block.lines.push(line);
                continue;
            }
        };
        blocks.push(std::mem::replace(&mut block, Block { language, lines: Vec::new() }));
    }
    blocks.push(block);
    blocks
}

/// Lines as one, without its full stop.
fn sentence(lines: &[&str]) -> String {
    let text = lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
    text.strip_suffix('.').map_or(text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_doc_comment_is_taken_apart() {
        let docs = " The first\n one.\n\n ```text\n a = b\n   + c\n ```\n With b.\n\n Source: Euclid, “Elements”.\n\n \
                    Checked against: a\n ruler.\n\n ```\n let x = \"Source: none\";\n ```\n ```toml\n a = 1\n ```\n";
        let info = Info::new(docs, Vec::new());
        let texts = [&info.summary, &info.formula, &info.example, &info.source, &info.checked_against];
        assert_eq!(texts, ["The first one", "a = b\n  + c", "a = 1", "Euclid, “Elements”", "a ruler"]);
        assert_eq!(info.faults(), Vec::<String>::new());
        assert_eq!(Info::new("", Vec::new()), Info::default());
    }

    #[test]
    fn what_a_list_cannot_print_is_a_fault() {
        let faults = |docs: &str, about: &str| {
            Info::new(docs, vec![OptionInfo::new("size", about, "", String::new())]).faults().join("; ")
        };
        assert_eq!(faults("A ring.\n\nSource: Euclid.", "How far it reaches."), "");
        assert_eq!(faults("", "x"), "the summary is missing; the paragraph `Source: …` is missing");
        assert_eq!(faults("A ring.", "x"), "the paragraph `Source: …` is missing");
        assert_eq!(faults("A ring.\n\nSource: Euclid", ""), "the doc comment of `size` is missing");
        let two = faults("A ring. Round.\n\nSource: Euclid", "x");
        assert_eq!(two, "the summary has a full stop too many: A ring. Round");
        let link = faults("A [`Ring`].\n\nSource: Euclid", "x");
        assert_eq!(link, "the summary has a link, which a terminal doesn't show: A [`Ring`]");
    }
}
