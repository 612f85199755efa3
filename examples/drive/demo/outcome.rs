//! What a flow delivered in the end, and whether that was all of it.

use std::fmt::Write as _;

/// One flow's figures when it ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// [`super::view::Flow::id`].
    pub flow: &'static str,
    /// Events the field end emitted.
    pub sent: u64,
    /// Of these, how many the collecting end's application got, each counted once.
    pub arrived: u64,
    /// Of these, how many it got by repairing a gap.
    pub repaired: u64,
    /// Gaps there were.
    pub gaps: u64,
    /// What went wrong, each in a few words; nothing if the flow is whole.
    pub faults: Vec<String>,
}

impl Outcome {
    /// True if every event arrived, exactly once.
    pub fn is_whole(&self) -> bool {
        self.faults.is_empty()
    }
}

/// All outcomes as a table.
pub fn table(outcomes: &[Outcome]) -> String {
    let mut out = format!(
        "{:<12} {:>7} {:>8} {:>9} {:>5}  verdict\n",
        "flow", "sent", "arrived", "repaired", "gaps"
    );
    for one in outcomes {
        let verdict = if one.is_whole() {
            "whole".to_owned()
        } else {
            one.faults.join("; ")
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "{:<12} {:>7} {:>8} {:>9} {:>5}  {verdict}",
            one.flow, one.sent, one.arrived, one.repaired, one.gaps
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_tells_what_is_missing() {
        let outcome = Outcome {
            flow: "se5-v1",
            sent: 12,
            arrived: 11,
            repaired: 3,
            gaps: 1,
            faults: vec!["1 event lost".to_owned()],
        };
        let row = "se5-v1            12       11         3     1  1 event lost";
        assert_eq!(table(&[outcome]).lines().nth(1), Some(row));
    }
}
