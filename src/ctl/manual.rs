//! smsotpd.toml(5), made of the comments in the configuration file: there is one text, and it cannot disagree with itself.
//!
//! ```text
//! # Prose.                 describes what follows
//! #     prose, indented    a table, kept as it is
//! #key = value             the default of a key
//! #   key = value          an example of a key without default
//! [section]                a section; "#   [[section]]" one that may be there several times
//! ```

/// The page in roff, for man(1).
pub(super) fn page(configuration: &str) -> String {
    let mut page = Page::default();
    page.request(".TH smsotpd.toml 5 \"\" \"\" smsotpd");
    page.request(".SH NAME");
    page.text("smsotpd.toml - the configuration of smsotpd");
    page.request(".SH DESCRIPTION");
    let mut lines = configuration.lines();
    // The first line is the title.
    for line in lines.by_ref().skip(1).take_while(|line| line.starts_with('#')) {
        page.prose.push(line.trim_start_matches('#'));
    }
    page.describe();
    for line in lines {
        page.line(line);
    }
    page.describe();
    page.request(".SH FILES");
    page.text("/etc/smsotpd/smsotpd.toml");
    page.request(".SH SEE ALSO");
    page.text("smsotpd(8), smsotpctl(1)");
    page.roff
}

#[derive(Default)]
struct Page<'a> {
    roff: String,
    /// What is not yet known to describe a section or a key.
    prose: Vec<&'a str>,
    /// The last line was a key, whose description stands below all keys that share it.
    listing: bool,
}

impl<'a> Page<'a> {
    fn line(&mut self, line: &'a str) {
        let Some(comment) = line.strip_prefix('#') else {
            return if line.is_empty() { self.describe() } else { self.section(line) };
        };
        let example = comment.strip_prefix("   ").filter(|example| !example.starts_with(' '));
        match example {
            Some(section) if section.starts_with('[') => self.section(section),
            Some(key) => self.key(key, "an example"),
            None if comment.is_empty() || comment.starts_with(' ') => {
                if self.listing {
                    self.describe();
                }
                self.prose.push(comment);
            }
            None => self.key(comment, "the default"),
        }
    }

    fn section(&mut self, name: &str) {
        let prose = if self.listing { Vec::new() } else { std::mem::take(&mut self.prose) };
        self.describe();
        self.request(&format!(".SH \"{name}\""));
        self.prose = prose;
        self.describe();
    }

    fn key(&mut self, key: &str, kind: &str) {
        self.request(if self.listing { ".TQ" } else { ".TP" });
        self.listing = true;
        self.text(&format!("{key}  ({kind})"));
    }

    /// Writes the prose that waits.
    fn describe(&mut self) {
        if !self.listing && !self.prose.is_empty() {
            self.request(".PP");
        }
        for line in std::mem::take(&mut self.prose) {
            match line.strip_prefix("     ") {
                Some(row) => {
                    self.request(".br");
                    self.text(row);
                }
                None if line.trim().is_empty() => self.request(".PP"),
                None => self.text(line.trim()),
            }
        }
        self.listing = false;
    }

    fn request(&mut self, request: &str) {
        self.roff.push_str(request);
        self.roff.push('\n');
    }

    /// A line that roff takes for what it says.
    fn text(&mut self, text: &str) {
        if text.starts_with(['.', '\'']) {
            self.roff.push_str("\\&");
        }
        for character in text.chars() {
            match character {
                '\\' => self.roff.push_str("\\e"),
                '-' => self.roff.push_str("\\-"),
                other => self.roff.push(other),
            }
        }
        self.roff.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stands_above_what_describes_it() {
        let told = page(
            "# title\n# About.\n\n# Of a.\n[a]\n# Of b.\n#b = 1\n#c-d = 2\n\n# Of e.\n#     x  y\n#   [[e]]\n#   f = 3\n",
        );
        let wanted = ".SH DESCRIPTION\n.PP\nAbout.\n.SH \"[a]\"\n.PP\nOf a.\n\
                      .TP\nb = 1  (the default)\n.TQ\nc\\-d = 2  (the default)\nOf b.\n\
                      .SH \"[[e]]\"\n.PP\nOf e.\n.br\nx  y\n.TP\nf = 3  (an example)\n.SH FILES";
        assert!(told.contains(wanted), "{told}");
    }
}
