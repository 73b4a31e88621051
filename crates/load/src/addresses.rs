//! The part of the report that shows each address.

use std::io::{self, Write};

use channel::AddressState;
use wire::escape::Escaped;

use crate::{chart::milliseconds, report::Report, tally::Outcomes};

/// The calls to one address.
pub(super) struct AddressReport<'a> {
    pub(super) address: String,
    /// `None` if it got no call.
    pub(super) outcomes: Option<&'a Outcomes>,
    /// The state of the address at the end, or `None` if its name no longer resolved to it.
    state: Option<&'a AddressState>,
    total: u64,
}

impl AddressReport<'_> {
    pub(super) fn calls(&self) -> u64 {
        self.outcomes.map_or(0, Outcomes::calls)
    }

    /// Returns its share of all calls, from 0 to 1.
    pub(super) fn share(&self) -> f64 {
        if self.total > 0 { self.calls() as f64 / self.total as f64 } else { 0.0 }
    }

    pub(super) fn is_reached(&self) -> bool {
        self.state.is_none_or(|state| state.reached)
    }

    /// Returns why the last attempt to connect failed.
    pub(super) fn failure(&self) -> Option<&str> {
        self.state.and_then(|state| state.failure.as_deref())
    }
}

impl Report {
    /// Returns the addresses in the order of `--address`, and then those to which no name resolved
    /// any more at the end.
    pub(super) fn addresses(&self) -> Vec<AddressReport<'_>> {
        let mut served: Vec<_> = self
            .tally
            .outcomes
            .iter()
            .filter_map(|(peer, outcomes)| Some((peer.as_ref()?.to_string(), outcomes)))
            .collect();
        let total = self.total.calls();
        let mut all: Vec<_> = (self.tally.addresses.iter())
            .map(|state| {
                let index = served.iter().position(|(address, _)| *address == state.address);
                let outcomes = index.map(|index| served.swap_remove(index).1);
                AddressReport {
                    address: state.address.clone(),
                    outcomes,
                    state: Some(state),
                    total,
                }
            })
            .collect();
        all.extend(served.into_iter().map(|(address, outcomes)| AddressReport {
            address,
            outcomes: Some(outcomes),
            state: None,
            total,
        }));
        all
    }

    /// Writes a table of the addresses if there are several, and those that were never reached.
    ///
    /// # Errors
    ///
    /// Returns the error of `out`.
    pub(super) fn write_addresses(&self, out: &mut impl Write) -> io::Result<()> {
        let addresses = self.addresses();
        if addresses.len() <= 1 {
            return Ok(());
        }
        let width = addresses.iter().map(|address| address.address.len()).max().unwrap_or(0);
        writeln!(out, "\naddresses, with the latency of OK in ms\n")?;
        let head = ["calls", "share", "failed", "p50", "p99", "max"];
        write!(out, "  {:<width$}", "")?;
        head.iter().try_for_each(|name| write!(out, " {name:>10}"))?;
        writeln!(out)?;
        for address in addresses.iter().filter(|address| address.is_reached()) {
            let share = format!("{:.1} %", address.share() * 100.0);
            write!(out, "  {:<width$} {:>10} {share:>10}", address.address, address.calls())?;
            if let Some(Outcomes { ok, failed, .. }) = address.outcomes {
                write!(out, " {:>10}", failed.len())?;
                if !ok.is_empty() {
                    for time in [ok.value_at_quantile(0.5), ok.value_at_quantile(0.99), ok.max()] {
                        write!(out, " {:>10}", milliseconds(time))?;
                    }
                }
            }
            writeln!(out)?;
        }
        for address in addresses.iter().filter(|address| !address.is_reached()) {
            let failure = Escaped(address.failure().unwrap_or("no response"));
            writeln!(out, "\nnever reached: {} ({failure})", address.address)?;
        }
        Ok(())
    }
}
