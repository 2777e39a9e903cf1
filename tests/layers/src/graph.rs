//! Arrows between files, and the circles among them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// One file names something of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrow {
    /// The file with the path.
    pub from: String,
    /// The file that defines what the path names, or that re-exports it.
    pub to: String,
    /// Where in `from` the path stands.
    pub line: usize,
    /// The path as it is written.
    pub path: String,
    /// `to` only re-exports it.
    pub re_export: bool,
}

/// The first arrow for each pair of files.
pub(crate) fn first_of_each(arrows: Vec<Arrow>) -> Vec<Arrow> {
    let mut first: BTreeMap<(String, String), Arrow> = BTreeMap::new();
    for arrow in arrows {
        let pair = (arrow.from.clone(), arrow.to.clone());
        first
            .entry(pair)
            .and_modify(|known| {
                // A definition says more than a re-export.
                if known.re_export && !arrow.re_export {
                    *known = arrow.clone();
                }
            })
            .or_insert(arrow);
    }
    first.into_values().collect()
}

/// One group of files that all reach each other.
#[derive(Debug)]
pub(crate) struct Circle<'a> {
    /// A shortest way round.
    pub(crate) way: Vec<&'a Arrow>,
    /// The other arrows inside the group.
    pub(crate) others: Vec<&'a Arrow>,
    pub(crate) files: usize,
}

/// All groups of files that reach each other.
pub(crate) fn circles(arrows: &[Arrow]) -> Vec<Circle<'_>> {
    let mut next: BTreeMap<&str, Vec<&Arrow>> = BTreeMap::new();
    for arrow in arrows {
        next.entry(&arrow.from).or_default().push(arrow);
    }
    let reach: BTreeMap<&str, BTreeSet<&str>> =
        next.keys().map(|&file| (file, reached(file, &next))).collect();
    let mut done = BTreeSet::new();
    let mut found = Vec::new();
    for (&file, reached) in &reach {
        if !reached.contains(file) || done.contains(file) {
            continue;
        }
        let group: BTreeSet<&str> = reached
            .iter()
            .copied()
            .filter(|other| reach.get(other).is_some_and(|back| back.contains(file)))
            .collect();
        done.extend(group.iter().copied());
        let way = group
            .iter()
            .filter_map(|&start| way_round(start, &next, &group))
            .min_by_key(Vec::len)
            .unwrap_or_default();
        let inside = |arrow: &&Arrow| {
            group.contains(arrow.from.as_str()) && group.contains(arrow.to.as_str())
        };
        let others = arrows.iter().filter(inside).filter(|arrow| !way.contains(arrow)).collect();
        found.push(Circle { way, others, files: group.len() });
    }
    found
}

fn reached<'a>(start: &'a str, next: &BTreeMap<&'a str, Vec<&'a Arrow>>) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open = vec![start];
    while let Some(file) = open.pop() {
        for arrow in next.get(file).into_iter().flatten() {
            if found.insert(arrow.to.as_str()) {
                open.push(&arrow.to);
            }
        }
    }
    found
}

/// A shortest way from `start` back to it, inside `group`.
fn way_round<'a>(
    start: &'a str,
    next: &BTreeMap<&'a str, Vec<&'a Arrow>>,
    group: &BTreeSet<&'a str>,
) -> Option<Vec<&'a Arrow>> {
    let mut came_by: BTreeMap<&str, &'a Arrow> = BTreeMap::new();
    let mut open = VecDeque::from([start]);
    while let Some(file) = open.pop_front() {
        for &arrow in next.get(file).into_iter().flatten() {
            let to = arrow.to.as_str();
            if !group.contains(to) || came_by.contains_key(to) {
                continue;
            }
            came_by.insert(to, arrow);
            if to == start {
                let mut way = vec![arrow];
                while way.last().is_some_and(|arrow| arrow.from != start) {
                    let last = way.last()?.from.as_str();
                    way.push(came_by.get(last)?);
                }
                way.reverse();
                return Some(way);
            }
            open.push_back(to);
        }
    }
    None
}
