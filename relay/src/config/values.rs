//! Reading single settings, and collecting the mistakes in them.

use std::fmt::Display;
use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;

/// Whether this filters log lines. A word that is no level would name a part of the program, and all
/// other lines would be left out.
pub(super) fn is_log_filter(text: &str) -> bool {
    let has_level = |part: &str| {
        let level = part.rsplit_once('=').map_or(part, |(_, level)| level).trim();
        ["off", "error", "warn", "info", "debug", "trace"].contains(&&*level.to_lowercase())
    };
    text.split(',').all(has_level) && tracing_subscriber::EnvFilter::try_new(text).is_ok()
}

/// The mistakes so far. A wrong value is noted, and a harmless one is returned in its place.
pub(crate) struct Mistakes(pub(crate) Vec<String>);

impl Mistakes {
    pub(crate) fn add(&mut self, flag: &str, why: impl Display) {
        self.0.push(format!("{flag}: {why}"));
    }

    pub(super) fn parsed<T>(
        &mut self,
        flag: &str,
        text: &str,
        parse: impl FnOnce(&str) -> Result<T, &'static str>,
    ) -> Option<T> {
        parse(text).map_err(|why| self.add(flag, why)).ok()
    }

    pub(crate) fn choice<T: ValueEnum>(&mut self, flag: &str, text: &str) -> Option<T> {
        let choice = T::from_str(text, false).ok();
        if choice.is_none() {
            let words: Vec<String> = T::value_variants()
                .iter()
                .filter_map(|variant| Some(variant.to_possible_value()?.get_name().to_owned()))
                .collect();
            let hint = match &words[..] {
                [only] => format!("{text:?} is not there yet; for now there is only {only}"),
                words => format!("{text:?} is none of {}", words.join(", ")),
            };
            self.add(flag, hint);
        }
        choice
    }

    /// A switch. The flag without a value means `yes`.
    pub(super) fn switch(&mut self, flag: &str, text: &str) -> bool {
        match text.to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => true,
            "0" | "false" | "no" | "off" => false,
            _ => {
                self.add(flag, format_args!("{text:?} is none of yes, no, true, false, 1, 0"));
                false
            }
        }
    }

    pub(super) fn number<T: FromStr + Ord + Display + Copy + Default>(
        &mut self,
        flag: &str,
        text: &str,
        least: T,
    ) -> T {
        match text.parse::<T>() {
            Ok(number) if number >= least => number,
            _ => {
                self.add(flag, format_args!("{text:?} is not a whole number from {least}"));
                T::default()
            }
        }
    }

    pub(super) fn size(
        &mut self,
        flag: &str,
        text: &str,
        range: std::ops::RangeInclusive<usize>,
    ) -> usize {
        match size(text) {
            Some(bytes) if range.contains(&bytes) => bytes,
            Some(_) => {
                let (least, most) = (range.start(), range.end());
                self.add(flag, format_args!("{text:?} is not within {least} to {most} bytes"));
                0
            }
            None => {
                self.add(flag, format_args!("{text:?} is not a size like 4096, 64kb or 1mb"));
                0
            }
        }
    }

    pub(crate) fn time(&mut self, flag: &str, text: &str, least_ms: u64) -> Duration {
        match duration(text) {
            Some(time) if time >= Duration::from_millis(least_ms) => time,
            Some(_) => {
                let least = Duration::from_millis(least_ms);
                self.add(flag, format_args!("{text:?} is under {least:?}"));
                Duration::ZERO
            }
            None => {
                self.add(
                    flag,
                    format_args!(
                        "{text:?} is not a duration of at most 24h like 500ms, 25s, 2m or 1h"
                    ),
                );
                Duration::ZERO
            }
        }
    }
}

pub(super) fn duration(text: &str) -> Option<Duration> {
    let split = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().ok()?;
    let factor = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(factor).filter(|&ms| ms <= 86_400_000).map(Duration::from_millis)
}

fn size(text: &str) -> Option<usize> {
    let split = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: usize = number.parse().ok()?;
    let factor = match unit {
        "" => 1,
        "kb" => 1 << 10,
        "mb" => 1 << 20,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// An address to listen on: an address or a name, and a port. Of a name with several addresses, the
/// first IPv4 address is used, because clients try it too.
pub(super) fn listen_address(text: &str) -> Result<SocketAddr, &'static str> {
    let message = "not an address or name with a port, like 127.0.0.1:8080 or localhost:8080";
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    match text.rsplit_once(':') {
        Some((name, port)) if !name.is_empty() && port.parse::<u16>().is_ok() => {}
        _ => return Err(message),
    }
    let found = text.to_socket_addrs().map_err(|_| "no address is known for this name")?;
    let found: Vec<SocketAddr> = found.collect();
    let best = found.iter().find(|address| address.is_ipv4()).or(found.first());
    best.copied().ok_or("no address is known for this name")
}

/// A list without its empty entries.
pub(crate) fn without_empty(mut list: Vec<String>) -> Vec<String> {
    list.retain(|entry| !entry.is_empty());
    list
}
