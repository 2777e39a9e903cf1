//! Which primary the answers of several sentinels amount to. Pure.
//!
//! The one idea: those who were heard decide. A primary is left only for one that more than half of
//! them name, so that one sentinel with old or wrong knowledge moves nothing. If they are divided in
//! halves, a `+switch-master` decides: a sentinel sends it after most of its peers have agreed.

use std::collections::BTreeMap;

use crate::config::Endpoint;

/// The answers of one round of questions.
#[derive(Debug)]
pub(super) struct Ballot<'a> {
    /// The primary in use, if there is one.
    pub(super) current: Option<&'a Endpoint>,
    /// The primary that each sentinel named. `None`: it knows none of that name.
    pub(super) answers: Vec<Option<&'a Endpoint>>,
    /// Sentinels that may still answer. 0 also when the time of the round is over.
    pub(super) pending: usize,
    /// The primary to which a sentinel has reported a switch in this round.
    pub(super) switched_to: Option<&'a Endpoint>,
}

/// What follows.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Further answers may decide otherwise.
    Undecided,
    /// The primary in use remains.
    Stay,
    /// The primary in use, if there is one, is given up. One of these is the primary: they have the
    /// same number of votes, and there is at least one.
    Follow(Vec<Endpoint>),
    /// None of the sentinels that answered names a primary.
    Unnamed,
    /// No sentinel answered.
    Silent,
}

impl Ballot<'_> {
    /// What the answers amount to.
    pub(super) fn verdict(&self) -> Verdict {
        let heard = self.answers.len();
        let mut votes: BTreeMap<&Endpoint, usize> = BTreeMap::new();
        for named in self.answers.iter().flatten() {
            *votes.entry(named).or_default() += 1;
        }
        let most = votes.values().copied().max().unwrap_or(0);
        let is_certain = 2 * most > heard + self.pending;
        if !is_certain && self.pending > 0 {
            return Verdict::Undecided;
        }
        if heard == 0 {
            return Verdict::Silent;
        }
        let first = |named: &&Endpoint| votes[*named] == most;
        let leading: Vec<&Endpoint> = votes.keys().copied().filter(first).collect();
        match self.current {
            None if leading.is_empty() => Verdict::Unnamed,
            None => Verdict::Follow(leading.into_iter().cloned().collect()),
            Some(current) => {
                let switched = self.switched_to.filter(|to| leading.contains(to));
                match leading[..] {
                    [named] if named != current && 2 * most > heard => {
                        Verdict::Follow(vec![named.clone()])
                    }
                    _ => match switched.filter(|to| *to != current && 2 * most >= heard) {
                        Some(to) => Verdict::Follow(vec![to.clone()]),
                        None => Verdict::Stay,
                    },
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A primary by one letter; `-` is none.
    fn primary(letter: char) -> Option<Endpoint> {
        (letter != '-').then(|| Endpoint::new(letter.to_string(), 6379))
    }

    /// Current primary, answers, pending sentinels, reported switch.
    type Row = (char, &'static str, usize, char);

    fn verdict((current, answers, pending, switched_to): Row) -> String {
        let answers: Vec<_> = answers.chars().map(primary).collect();
        let (current, switched_to) = (primary(current), primary(switched_to));
        let ballot = Ballot {
            current: current.as_ref(),
            answers: answers.iter().map(Option::as_ref).collect(),
            pending,
            switched_to: switched_to.as_ref(),
        };
        match ballot.verdict() {
            Verdict::Follow(named) => named.iter().map(|each| &*each.host).collect(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn those_who_were_heard_decide() {
        let rows: &[(&str, Row, &str)] = &[
            ("all name the one in use", ('A', "AAA", 0, '-'), "Stay"),
            ("one is wrong", ('A', "BAA", 0, '-'), "Stay"),
            ("one is wrong and sends a switch", ('A', "BAA", 0, 'B'), "Stay"),
            ("most have switched", ('A', "BBA", 0, 'B'), "B"),
            ("most have switched, no switch was heard", ('A', "BBA", 0, '-'), "B"),
            ("all have switched", ('A', "BBB", 0, '-'), "B"),
            ("two of three are heard, they differ", ('A', "AB", 0, '-'), "Stay"),
            ("two of three are heard, one has switched", ('A', "AB", 0, 'B'), "B"),
            ("a switch to one whom nobody names", ('A', "AB", 0, 'C'), "Stay"),
            ("one is heard", ('A', "B", 0, '-'), "B"),
            ("one is wrong, one down, two have switched", ('A', "CBB", 0, 'B'), "B"),
            ("divided in three", ('A', "ABC", 0, 'B'), "Stay"),
            ("no majority without the one in use", ('A', "BBCCA", 0, 'B'), "Stay"),
            ("one knows none of that name", ('A', "-AA", 0, '-'), "Stay"),
            ("most know none of that name", ('A', "--B", 0, 'B'), "Stay"),
            ("none knows one", ('A', "---", 0, '-'), "Stay"),
            ("nobody answers", ('A', "", 0, '-'), "Silent"),
            ("one of three has answered", ('A', "B", 2, 'B'), "Undecided"),
            ("two of three suffice", ('A', "BB", 1, 'B'), "B"),
            ("two of three suffice to stay", ('A', "AA", 1, 'B'), "Stay"),
            ("two of four do not", ('A', "BB", 2, 'B'), "Undecided"),
            ("at the start, all agree", ('-', "AAA", 0, '-'), "A"),
            ("at the start, one is heard", ('-', "A", 0, '-'), "A"),
            ("at the start, one differs", ('-', "ABA", 0, '-'), "A"),
            ("at the start, halves", ('-', "BA", 0, '-'), "AB"),
            ("at the start, one has answered", ('-', "A", 2, '-'), "Undecided"),
            ("at the start, nobody knows one", ('-', "--", 0, '-'), "Unnamed"),
            ("at the start, nobody answers", ('-', "", 0, '-'), "Silent"),
            ("at the start, nobody has answered", ('-', "", 3, '-'), "Undecided"),
        ];
        for (what, row, expected) in rows {
            assert_eq!(verdict(*row), *expected, "{what}: {row:?}");
        }
    }
}
