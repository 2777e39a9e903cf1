//! Runs every target over its corpus and over mutations of it.
//!
//! `SEED=7` repeats the run that printed this seed; `SOAK=20` makes 20 times as many mutations.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use chat_fuzz::{TARGETS, Target};
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

/// Mutations of each target's corpus.
const ROUNDS: usize = 20_000;
/// Longest input.
const LONGEST: usize = 8 << 10;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn folder(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(target)
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let files = std::fs::read_dir(folder(target)).expect("a folder of each target's name");
    let mut files: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    // The order of a folder is not fixed; a run must depend only on its seed.
    files.sort();
    files.iter().map(|file| std::fs::read(file).expect("a file")).collect()
}

/// One to eight changes of an input.
fn mutated(corpus: &[Vec<u8>], random: &mut SmallRng) -> Vec<u8> {
    let mut bytes = corpus.choose(random).expect("a corpus").clone();
    for _ in 0..random.random_range(1..=8) {
        let at = random.random_range(0..=bytes.len());
        let length = random.random_range(0..=(bytes.len() - at).min(40));
        match random.random_range(0..8) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.random_range(0..8),
            1 if at < bytes.len() => bytes[at] = random.random(),
            2 => drop(bytes.drain(at..at + length)),
            3 => {
                let piece = bytes[at..at + length].to_vec();
                bytes.splice(at..at, piece.repeat(random.random_range(1..4)));
            }
            4 => {
                let other = corpus.choose(random).expect("a corpus");
                let from = random.random_range(0..=other.len());
                let to = random.random_range(from..=other.len().min(from + 60));
                bytes.splice(at..at + length, other[from..to].iter().copied());
            }
            // Numbers of seven bits a byte, and others.
            5 => {
                let edges: [&[u8]; 6] = [
                    b"\xff\xff\xff\xff\xff\xff\x3f",
                    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
                    b"\x00",
                    b"18446744073709551616",
                    "\u{202e}\u{fe0f}".as_bytes(),
                    b"\\ud800",
                ];
                let edge = edges.choose(random).expect("some");
                bytes.splice(at..at + length, edge.iter().copied());
            }
            6 => bytes.truncate(at),
            _ => bytes.insert(at, random.random()),
        }
    }
    bytes.truncate(LONGEST);
    bytes
}

fn run(name: &str, target: Target, input: &[u8], seed: u64) {
    if catch_unwind(AssertUnwindSafe(|| target(input))).is_err() {
        let file = std::env::temp_dir().join(format!("chat-fuzz-{name}"));
        // What cannot be written down is in the message still.
        let _ = std::fs::write(&file, input);
        panic!(
            "{name}: SEED={seed} makes this run again, the input is in {}: {:?}",
            file.display(),
            String::from_utf8_lossy(input)
        );
    }
}

#[test]
fn every_target_keeps_its_promises_over_the_corpus_and_mutations_of_it() {
    let seed = number("SEED").unwrap_or_else(|| rand::random::<u32>().into());
    println!("fuzz targets: SEED={seed} makes this run again");
    let rounds = ROUNDS * usize::try_from(number("SOAK").unwrap_or(1)).unwrap_or(1);
    for (name, target) in TARGETS {
        let corpus = corpus(name);
        assert!(corpus.len() >= 3, "{name}: {} inputs", corpus.len());
        let mut random = SmallRng::seed_from_u64(seed);
        corpus.iter().for_each(|input| run(name, *target, input, seed));
        for _ in 0..rounds {
            run(name, *target, &mutated(&corpus, &mut random), seed);
        }
    }
}

#[test]
fn every_target_is_a_binary_of_cargo_fuzz() {
    let manifest = include_str!("../../Cargo.toml");
    for (name, _) in TARGETS {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
        let path =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../fuzz_targets/{name}.rs"));
        let source = std::fs::read_to_string(path).expect("a binary of each target's name");
        assert!(source.contains(&format!("chat_fuzz::{name}(bytes)")), "{name}");
    }
}
