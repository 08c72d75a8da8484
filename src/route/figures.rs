//! What was seen of endpoints, in windows of several lengths.
//!
//! It is a sum that workers share: see [`crate::state`]. Endpoints are known by the hash of their
//! id. One that is no longer configured ages out with its last window.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::histogram::Histogram;
use crate::state::{Reader, Sum, Writer, entry};

/// A stretch of time up to now. It is made of cells, of which the newest is not over yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// By what happened in it outages are told.
    HalfMinute,
    /// By what happened in it endpoints are ordered.
    FiveMinutes,
    /// For uptimes, and for medians where the last five minutes have none.
    HalfHour,
    /// For uptimes.
    Day,
}

impl Window {
    pub(super) const ALL: [Self; 4] =
        [Self::HalfMinute, Self::FiveMinutes, Self::HalfHour, Self::Day];

    /// How many seconds a cell lasts, and how many cells make the window.
    fn cells(self) -> (u64, u64) {
        match self {
            Self::HalfMinute => (5, 6),
            Self::FiveMinutes => (60, 5),
            Self::HalfHour => (300, 6),
            Self::Day => (3600, 24),
        }
    }

    /// The number of the cell that a time falls into, counted from the Unix epoch.
    fn cell(self, time: Duration) -> u64 {
        time.as_secs() / self.cells().0
    }

    /// The places of the window's cells.
    fn places(self, now: Duration) -> RangeInclusive<CellKey> {
        let (newest, count) = (self.cell(now) as u32, self.cells().1 as u32);
        // Another worker's clock may be a little ahead.
        (self as u8, (newest + 1).saturating_sub(count))..=(self as u8, newest + 1)
    }

    /// Whether times and speeds are kept as well.
    pub(super) fn has_measures(self) -> bool {
        matches!(self, Self::FiveMinutes | Self::HalfHour)
    }
}

/// A window's place in [`Window::ALL`], and the number of one of its cells.
type CellKey = (u8, u32);

/// How the attempts went that ended within one cell of a window.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Cell {
    /// Attempts that do not speak against the endpoint.
    pub well: u32,
    /// Attempts that speak against the endpoint.
    pub failed: u32,
    /// Times to the first token in ms.
    pub first_token: Histogram,
    /// Output tokens per second.
    pub throughput: Histogram,
}

impl Cell {
    fn add(&mut self, other: &Self) {
        self.well = self.well.saturating_add(other.well);
        self.failed = self.failed.saturating_add(other.failed);
        self.first_token.add(&other.first_token);
        self.throughput.add(&other.throughput);
    }

    fn encode(&self, writer: &mut Writer) {
        writer.number(u64::from(self.well));
        writer.number(u64::from(self.failed));
        self.first_token.encode(writer);
        self.throughput.encode(writer);
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            well: reader.number()?,
            failed: reader.number()?,
            first_token: Histogram::decode(reader)?,
            throughput: Histogram::decode(reader)?,
        })
    }
}

/// What was seen of one endpoint.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct EndpointFigures {
    /// Until when the provider wants to be left alone, in milliseconds since the epoch; 0 where it
    /// has asked for nothing.
    pub cooldown_until: u64,
    /// Ordered by their places.
    cells: Vec<(CellKey, Cell)>,
}

impl EndpointFigures {
    /// The cell of a window that a time falls into, for adding to; never `None`.
    pub(super) fn cell(&mut self, window: Window, time: Duration) -> Option<&mut Cell> {
        entry(&mut self.cells, (window as u8, window.cell(time) as u32))
    }

    /// The cells of a window.
    pub(super) fn within(&self, window: Window, now: Duration) -> impl Iterator<Item = &Cell> {
        let places = window.places(now);
        self.cells.iter().filter(move |(place, _)| places.contains(place)).map(|(_, cell)| cell)
    }

    fn add(&mut self, other: &Self) {
        self.cooldown_until = self.cooldown_until.max(other.cooldown_until);
        for (place, more) in &other.cells {
            if let Some(cell) = entry(&mut self.cells, *place) {
                cell.add(more);
            }
        }
    }

    fn forget(&mut self, now: Duration) {
        let places = Window::ALL.map(|window| window.places(now));
        self.cells.retain(|(place, _)| places.iter().any(|places| places.contains(place)));
        if u128::from(self.cooldown_until) <= now.as_millis() {
            self.cooldown_until = 0;
        }
    }

    fn encode(&self, writer: &mut Writer) {
        writer.number(self.cooldown_until);
        writer.number(self.cells.len() as u64);
        for ((window, number), cell) in &self.cells {
            writer.number(u64::from(*window));
            writer.number(u64::from(*number));
            cell.encode(writer);
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let mut seen = Self { cooldown_until: reader.number()?, ..Self::default() };
        for _ in 0..reader.number::<u16>()? {
            let place = (reader.number()?, reader.number()?);
            *entry(&mut seen.cells, place)? = Cell::decode(reader)?;
        }
        Some(seen)
    }
}

/// What was seen of several endpoints, in order of their keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Figures(Vec<(u64, EndpointFigures)>);

impl Figures {
    /// What was seen of one endpoint.
    pub(super) fn find(&self, endpoint: u64) -> Option<&EndpointFigures> {
        let at = self.0.binary_search_by_key(&endpoint, |(key, _)| *key).ok()?;
        self.0.get(at).map(|(_, seen)| seen)
    }

    /// What was seen of one endpoint, for adding to; never `None`.
    pub(super) fn of(&mut self, endpoint: u64) -> Option<&mut EndpointFigures> {
        entry(&mut self.0, endpoint)
    }

    /// The keys of all endpoints of which something was seen.
    pub(super) fn endpoints(&self) -> impl Iterator<Item = u64> {
        self.0.iter().map(|(key, _)| *key)
    }
}

impl Sum for Figures {
    fn add(&mut self, other: &Self) {
        for (endpoint, more) in &other.0 {
            if let Some(seen) = self.of(*endpoint) {
                seen.add(more);
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn forget(&mut self, now: Duration) {
        self.0.iter_mut().for_each(|(_, seen)| seen.forget(now));
        self.0.retain(|(_, seen)| *seen != EndpointFigures::default());
    }

    fn encode(&self, writer: &mut Writer) {
        for (endpoint, seen) in &self.0 {
            writer.number(*endpoint);
            seen.encode(writer);
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let mut figures = Self::default();
        while !reader.is_at_end() {
            let endpoint = reader.number()?;
            *figures.of(endpoint)? = EndpointFigures::decode(reader)?;
        }
        Some(figures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::split::Random;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const NOW: Duration = Duration::from_secs(1_800_000_000);

    fn random_figures(random: &mut Random) -> Figures {
        let mut figures = Figures::default();
        for _ in 0..random.below(40) {
            let seen = figures.of(random.below(5) as u64).unwrap();
            seen.cooldown_until = random.below(3) as u64 * 1_900_000_000_000;
            let window = Window::ALL[random.below(4)];
            let time = NOW - Duration::from_secs(random.below(100_000) as u64);
            let cell = seen.cell(window, time).unwrap();
            cell.well += random.below(9) as u32;
            cell.failed += random.below(9) as u32;
            cell.first_token.count(random.below(100_000) as f64);
            cell.throughput.count(random.below(1_000) as f64);
        }
        figures
    }

    fn sum(parts: &[&Figures]) -> Figures {
        let mut sum = Figures::default();
        parts.iter().for_each(|part| sum.add(part));
        sum
    }

    fn written(figures: &Figures) -> Vec<u8> {
        let mut writer = Writer::new();
        figures.encode(&mut writer);
        writer.finish()
    }

    fn read(bytes: &[u8]) -> Option<Figures> {
        Figures::decode(&mut Reader::new(bytes)?)
    }

    #[test]
    fn sums_do_not_depend_on_the_order_and_survive_writing() {
        let mut random = Random::new(3);
        for _ in 0..300 {
            let [a, b, c] = [(); 3].map(|()| random_figures(&mut random));
            let all = sum(&[&a, &b, &c]);
            assert_eq!(all, sum(&[&c, &a, &b]));
            assert_eq!(all, sum(&[&a, &sum(&[&b, &c])]));
            assert_eq!(read(&written(&all)), Some(all.clone()));
            let mut later = all.clone();
            later.forget(NOW);
            let mut each = sum(&[&a, &b]);
            each.forget(NOW);
            each.add(&c);
            each.forget(NOW);
            assert_eq!(later, each, "forgetting early or late makes no difference");
        }
    }

    #[test]
    fn nonsense_is_read_without_harm() {
        let mut random = Random::new(4);
        for _ in 0..2_000 {
            let mut bytes = written(&random_figures(&mut random));
            let at = random.below(bytes.len());
            match random.below(3) {
                0 => bytes.truncate(at),
                1 => bytes[at] ^= 1 << random.below(8),
                _ => bytes.push(random.below(256) as u8),
            }
            if let Some(mut figures) = read(&bytes) {
                figures.forget(NOW);
                assert_eq!(read(&written(&figures)), Some(figures));
            }
        }
    }

    #[test]
    fn everything_ages_out() {
        let mut random = Random::new(6);
        let mut figures = random_figures(&mut random);
        figures.of(9).unwrap().cell(Window::Day, NOW).unwrap().failed = 1;
        figures.forget(NOW);
        let busy = written(&figures).len();
        figures.forget(NOW + Duration::from_secs(23 * 3600));
        assert!(written(&figures).len() < busy);
        assert!(figures.endpoints().any(|key| key == 9));
        figures.forget(NOW * 3);
        assert_eq!(figures, Figures::default());
    }
}
