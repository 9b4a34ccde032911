//! The table that is printed: measured, bound, ratio, and whether the line was reached.

/// Collects lines, prints each at once, and the verdict at the end.
pub(crate) struct Table {
    only: Vec<String>,
    missed: Vec<String>,
}

impl Table {
    pub(crate) fn new(only: Vec<String>) -> Self {
        println!("{:<5} {:<46} {:>12} {:>12} {:>7}  line", "", "", "measured", "bound", "ratio");
        Self { only, missed: Vec::new() }
    }

    /// Whether a scenario is to be run.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|word| word == name)
    }

    /// A measure against its bound; `line` is what it may be at most, in words, and whether it is.
    pub(crate) fn row(
        &mut self,
        name: &str,
        what: &str,
        (measured, bound): (f64, f64),
        unit: &str,
        (line, reached): (&str, bool),
    ) {
        let ratio = if bound > 0.0 { format!("{:.2}", measured / bound) } else { "-".to_owned() };
        let shown = |number: f64| {
            let digits = if number.abs() < 10.0 { 4 } else { 2 };
            format!("{number:.digits$} {unit}")
        };
        let verdict = if reached { "reached" } else { "MISSED" };
        println!(
            "{name:<5} {what:<46} {:>12} {:>12} {ratio:>7}  {line}: {verdict}",
            shown(measured),
            shown(bound),
        );
        if !reached {
            self.missed.push(format!("{name} {what}"));
        }
    }

    /// A measure without a line: a baseline, or another discipline.
    pub(crate) fn note(&self, name: &str, what: &str, measured: &str) {
        println!("{name:<5} {what:<46} {measured:>12}");
    }

    pub(crate) fn end(self) {
        match self.missed.as_slice() {
            [] => println!("\nevery line was reached"),
            missed => println!("\nmissed: {}", missed.join("; ")),
        }
    }
}
