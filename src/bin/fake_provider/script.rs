//! Turns an answer and its faults into a script: the steps by which the body travels.
//! Passes in their order: where it ends, compression, pauses, small pieces, trailers.
//! Nothing here waits or writes; `body` plays the steps.

use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::HeaderMap;
use hyper::body::Bytes;
use hyper::header::HeaderValue;

use crate::answer::{Event, Stage};
use crate::fault::{Faults, Point};
use crate::format::Format;

/// Time for what was written to reach the peer before the connection breaks.
const BEFORE_BREAK: Duration = Duration::from_millis(20);

/// The name of the trailer that the directive `trailers` sends.
pub(crate) const TRAILER: &str = "x-fake-trailer";

/// One thing a body does.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    Data(Bytes),
    /// Let the connection write out what it has.
    Flush,
    Sleep(Duration),
    /// Send nothing more, and keep the connection open.
    Stall,
    /// Reset the TCP connection.
    Reset,
    /// Fail, so that the connection closes without the end of the body.
    Truncate,
    Trailers(HeaderMap),
}

/// The steps of one body, and its length where the headers shall announce one.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Script {
    pub(crate) steps: Vec<Step>,
    pub(crate) length: Option<u64>,
}

/// How a body ends when it does not end well.
#[derive(Clone, Copy)]
enum Stop {
    Stall,
    Reset,
    Truncate,
    Cut,
    Error,
}

/// Translates a point into an index of the list of frames.
struct Layout {
    openings: usize,
    contents: usize,
}

/// The script of a plain body; its pieces count as content events when a fault needs events.
pub(crate) fn plain(body: Vec<u8>, faults: &Faults) -> Script {
    let body = if faults.gzip { gzipped(&body) } else { Bytes::from(body) };
    let stops = [
        (faults.stall, Stop::Stall),
        (faults.reset, Stop::Reset),
        (faults.truncate, Stop::Truncate),
        (faults.cut, Stop::Cut),
    ];
    let in_pieces = faults.interval.is_some() || stops.iter().any(|(point, _)| point.is_some());
    let frames = if in_pieces {
        pieces(&body, body.len().div_ceil(faults.token_count().max(1)))
    } else {
        vec![body.clone()]
    };
    let layout = Layout { openings: 0, contents: frames.len() };
    let stop = first_stop(&stops, &layout);
    let steps = until_stop(frames, stop, None, Vec::new());
    let length = match stop {
        _ if faults.close || faults.trailers => None,
        Some((_, Stop::Cut)) => Some(total(&steps)),
        _ => u64::try_from(body.len()).ok(),
    };
    Script { steps: travelling(steps, faults), length }
}

/// The script of a stream of events.
pub(crate) fn stream(name: &str, format: Format, events: &[Event], faults: &Faults) -> Script {
    let [openings, contents] = [Stage::Opening, Stage::Content]
        .map(|stage| events.iter().filter(|event| event.stage == stage).count());
    let layout = Layout { openings, contents };
    let stops = [
        (faults.error_event, Stop::Error),
        (faults.stall, Stop::Stall),
        (faults.reset, Stop::Reset),
        (faults.truncate, Stop::Truncate),
        (faults.cut, Stop::Cut),
    ];
    let garbage = faults.garbage.map(|point| (layout.index(point), format.garbage(faults).into()));
    let frames = events.iter().map(|event| format.framed(event, faults).into()).collect();
    let error =
        format.error_event(&format!("{name}: scripted error event"), faults.error_code.as_deref());
    let error = vec![Step::Data(format.framed(&error, faults).into())];
    let steps = until_stop(frames, first_stop(&stops, &layout), garbage, error);
    let steps = if faults.gzip { gzipped_steps(steps) } else { steps };
    Script { steps: travelling(steps, faults), length: None }
}

/// A stream that ends before its first event.
pub(crate) fn empty_stream() -> Script {
    // The flush keeps the body from being known as empty beforehand, which would give it a length.
    Script { steps: vec![Step::Flush], length: None }
}

impl Layout {
    fn index(&self, point: Point) -> usize {
        match point {
            Point::Start | Point::Head => 0,
            Point::Events(count) => self.openings + count.min(self.contents),
        }
    }
}

impl Stop {
    fn steps(self, error: Vec<Step>) -> Vec<Step> {
        match self {
            Self::Stall => vec![Step::Stall],
            Self::Reset => vec![Step::Sleep(BEFORE_BREAK), Step::Reset],
            Self::Truncate => vec![Step::Sleep(BEFORE_BREAK), Step::Truncate],
            Self::Cut => Vec::new(),
            Self::Error => error,
        }
    }
}

/// The stop that comes first; of two at the same place, the first in the list.
fn first_stop(stops: &[(Option<Point>, Stop)], layout: &Layout) -> Option<(usize, Stop)> {
    let placed = stops.iter().filter_map(|(point, stop)| Some((layout.index((*point)?), *stop)));
    placed.min_by_key(|(index, _)| *index)
}

fn until_stop(
    frames: Vec<Bytes>,
    stop: Option<(usize, Stop)>,
    garbage: Option<(usize, Bytes)>,
    error: Vec<Step>,
) -> Vec<Step> {
    let end = stop.map_or(frames.len(), |(index, _)| index);
    let mut steps: Vec<Step> = frames.into_iter().take(end).map(Step::Data).collect();
    if let Some((index, frame)) = garbage
        && index <= steps.len()
    {
        steps.insert(index, Step::Data(frame));
    }
    if let Some((_, stop)) = stop {
        steps.extend(stop.steps(error));
    }
    steps
}

/// The passes that are the same for every body.
fn travelling(mut steps: Vec<Step>, faults: &Faults) -> Vec<Step> {
    if let Some(interval) = faults.interval {
        steps = spaced(steps, interval);
    }
    if let Some(size) = faults.bytes {
        steps = in_small_pieces(steps, size);
    }
    if faults.trailers && ends_well(&steps) {
        steps.push(Step::Trailers(trailers()));
    }
    steps
}

fn trailers() -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert(TRAILER, HeaderValue::from_static("end"));
    trailers
}

fn ends_well(steps: &[Step]) -> bool {
    !matches!(steps.last(), Some(Step::Stall | Step::Reset | Step::Truncate))
}

fn spaced(steps: Vec<Step>, interval: Duration) -> Vec<Step> {
    let mut spaced = Vec::with_capacity(steps.len() * 2);
    for step in steps {
        if matches!(step, Step::Data(_)) && !spaced.is_empty() {
            spaced.push(Step::Sleep(interval));
        }
        spaced.push(step);
    }
    spaced
}

/// Re-cuts each run of data regardless of where its events begin.
fn in_small_pieces(steps: Vec<Step>, size: usize) -> Vec<Step> {
    let mut small = Vec::with_capacity(steps.len());
    let mut run = Vec::new();
    for step in steps {
        if let Step::Data(bytes) = step {
            run.extend_from_slice(&bytes);
            continue;
        }
        push_pieces(&mut small, &mut run, size);
        small.push(step);
    }
    push_pieces(&mut small, &mut run, size);
    small
}

fn push_pieces(steps: &mut Vec<Step>, run: &mut Vec<u8>, size: usize) {
    let run = Bytes::from(std::mem::take(run));
    for piece in pieces(&run, size) {
        if matches!(steps.last(), Some(Step::Data(_))) {
            steps.push(Step::Flush);
        }
        steps.push(Step::Data(piece));
    }
}

fn pieces(bytes: &Bytes, size: usize) -> Vec<Bytes> {
    bytes.chunks(size.max(1)).map(|piece| bytes.slice_ref(piece)).collect()
}

fn total(steps: &[Step]) -> u64 {
    let lengths =
        steps.iter().map(|step| if let Step::Data(bytes) = step { bytes.len() } else { 0 });
    u64::try_from(lengths.sum::<usize>()).unwrap_or(u64::MAX)
}

fn gzipped(body: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing to a Vec cannot fail.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default().into()
}

/// Compresses a stream so that each event can be read as soon as its bytes are there.
fn gzipped_steps(steps: Vec<Step>) -> Vec<Step> {
    let complete = ends_well(&steps);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let mut zipped: Vec<Step> =
        steps.into_iter().map(|step| gzipped_step(&mut encoder, step)).collect();
    if complete {
        zipped.push(Step::Data(encoder.finish().unwrap_or_default().into()));
    }
    zipped
}

fn gzipped_step(encoder: &mut GzEncoder<Vec<u8>>, step: Step) -> Step {
    let Step::Data(bytes) = step else { return step };
    // Writing to a Vec cannot fail.
    let _ = encoder.write_all(&bytes).and_then(|()| encoder.flush());
    Step::Data(std::mem::take(encoder.get_mut()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events() -> Vec<Event> {
        [
            (Stage::Opening, "role"),
            (Stage::Content, "one"),
            (Stage::Content, "two"),
            (Stage::Closing, "[DONE]"),
        ]
        .map(|(stage, data)| Event { stage, kind: "", data: data.into() })
        .into()
    }

    /// The steps in short: data without the framing, other steps by their first letter.
    fn played(steps: &[Step]) -> String {
        let parts = steps.iter().map(|step| match step {
            Step::Data(bytes) => {
                let text = String::from_utf8_lossy(bytes);
                text.trim_start_matches("data: ").trim_end().chars().take(9).collect()
            }
            Step::Flush => "F".to_owned(),
            Step::Sleep(_) => "S".to_owned(),
            Step::Stall => "STALL".to_owned(),
            Step::Reset => "RESET".to_owned(),
            Step::Truncate => "TRUNCATE".to_owned(),
            Step::Trailers(_) => "TRAILERS".to_owned(),
        });
        parts.collect::<Vec<String>>().join(" ")
    }

    fn faults(text: &str) -> Faults {
        let mut faults = Faults::default();
        faults.apply(text).unwrap();
        faults
    }

    #[test]
    fn streams_end_where_they_are_told() {
        for (text, expected) in [
            ("", "role one two [DONE]"),
            ("stall=first", "STALL"),
            ("stall=0", "role STALL"),
            ("stall=1", "role one STALL"),
            ("stall=99", "role one two STALL"),
            ("reset=1", "role one S RESET"),
            ("truncate=1", "role one S TRUNCATE"),
            ("cut=1", "role one"),
            ("cut=2,stall=1", "role one STALL"),
            ("garbage=1", "role one {not json two [DONE]"),
            ("garbage=1,cut=1", "role one {not json"),
            ("garbage=2,cut=1", "role one"),
            ("error-event", "{\"error\":"),
            ("error-event=1", "role one {\"error\":"),
            ("interval=1", "role S one S two S [DONE]"),
            ("trailers", "role one two [DONE] TRAILERS"),
            ("trailers,stall=1", "role one STALL"),
        ] {
            assert_eq!(
                played(&stream("a", Format::OpenAi, &events(), &faults(text)).steps),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn plain_bodies_announce_what_the_fault_implies() {
        for (text, expected, length) in [
            ("", "12345678", Some(8)),
            ("stall=first", "STALL", Some(8)),
            ("truncate=2,tokens=4", "12 34 S TRUNCATE", Some(8)),
            ("cut=2,tokens=4", "12 34", Some(4)),
            ("bytes=3", "123 F 456 F 78", Some(8)),
            ("close", "12345678", None),
            ("trailers", "12345678 TRAILERS", None),
        ] {
            let script = plain(b"12345678".to_vec(), &faults(text));
            assert_eq!(
                (played(&script.steps).as_str(), script.length),
                (expected, length),
                "{text}"
            );
        }
    }

    #[test]
    fn small_pieces_cross_the_borders_of_events() {
        let script = stream("a", Format::OpenAi, &events(), &faults("bytes=1000"));
        assert_eq!(script.steps.len(), 1);
        let script = stream("a", Format::OpenAi, &events(), &faults("bytes=7"));
        let data: Vec<u8> = script
            .steps
            .iter()
            .flat_map(|step| if let Step::Data(bytes) = step { bytes.to_vec() } else { Vec::new() })
            .collect();
        assert_eq!(data, b"data: role\n\ndata: one\n\ndata: two\n\ndata: [DONE]\n\n");
    }

    #[test]
    fn gzip_unzips_to_the_same_stream() {
        use std::io::Read as _;
        let script = stream("a", Format::OpenAi, &events(), &faults("gzip,bytes=5"));
        let data: Vec<u8> = script
            .steps
            .iter()
            .flat_map(|step| if let Step::Data(bytes) = step { bytes.to_vec() } else { Vec::new() })
            .collect();
        let mut text = String::new();
        flate2::read::GzDecoder::new(data.as_slice()).read_to_string(&mut text).unwrap();
        assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    }
}
