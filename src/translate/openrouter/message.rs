//! Messages and responses: the model and provider that answered, `usage.cost`, and the metadata
//! that was asked for.
//!
//! Told in the events where OpenRouter has them; all others pass untouched.

use super::{Identity, Json, one_line};
use crate::translate::Meter;
use crate::usage::Usage;
use crate::wire::edit::{Edits, Members};
use crate::wire::json::{JsonError, Kind, Reader};
use crate::wire::sse;

/// What an object tells.
#[derive(Clone, Copy)]
struct Told {
    /// The member whose value tells it in place of the whole.
    inside: Option<&'static str>,
    /// Model and provider.
    identity: bool,
    /// `usage.cost` and its like, their parts named after these two.
    cost: Option<(&'static str, &'static str)>,
    metadata: bool,
}

const NOTHING: Told = Told { inside: None, identity: false, cost: None, metadata: false };
const MESSAGE: Told =
    Told { identity: true, cost: Some(("prompt", "completions")), metadata: true, ..NOTHING };
const RESPONSE: Told = Told { cost: Some(("input", "output")), metadata: true, ..NOTHING };
const LAST_RESPONSE: Told = Told { inside: Some("response"), ..RESPONSE };

const EVENTS: [(&[u8], Told); 6] = [
    (b"message_start", Told { inside: Some("message"), identity: true, ..NOTHING }),
    (b"message_delta", Told { cost: MESSAGE.cost, ..NOTHING }),
    (b"message_stop", Told { metadata: true, ..NOTHING }),
    (b"response.completed", LAST_RESPONSE),
    (b"response.incomplete", LAST_RESPONSE),
    (b"response.failed", LAST_RESPONSE),
];

impl Identity {
    /// A whole message.
    pub(super) fn message(&self, json: &[u8], usage: &Usage) -> Option<Vec<u8>> {
        self.tell(json, MESSAGE, usage)
    }

    /// A whole response.
    pub(super) fn response(&self, json: &[u8], usage: &Usage) -> Option<Vec<u8>> {
        self.tell(json, RESPONSE, usage)
    }

    /// An event of a message's or response's stream in OpenRouter's form; `None`: it stays as it
    /// is. `meter` has read the upstream's so far.
    pub fn event(&self, event: &[u8], meter: &Meter) -> Option<Vec<u8>> {
        // Most events are let go by their first line.
        let name = event
            .strip_prefix(b"event:")?
            .split(|byte| matches!(byte, b'\r' | b'\n'))
            .next()?
            .trim_ascii();
        let (_, told) = EVENTS.iter().find(|(told, _)| *told == name)?;
        let json = one_line(self.tell(
            &sse::fields(event).data?,
            *told,
            &meter.usage(self.input_estimate),
        )?);
        Some([b"event: ", name, b"\ndata: ", &json, b"\n\n"].concat())
    }

    fn tell(&self, json: &[u8], told: Told, usage: &Usage) -> Option<Vec<u8>> {
        let mut telling = Telling { identity: self, told, usage, edits: Edits::new() };
        let mut reader = Reader::new(json);
        telling.outer(&mut reader).ok()?;
        reader.end().ok()?;
        Some(telling.edits.apply(json))
    }
}

/// One text being changed.
struct Telling<'a> {
    identity: &'a Identity,
    told: Told,
    usage: &'a Usage,
    edits: Edits,
}

impl Telling<'_> {
    fn outer(&mut self, reader: &mut Reader<'_>) -> Result<(), JsonError> {
        let Some(inside) = self.told.inside else { return self.object(reader) };
        reader.object(|reader, member| {
            if member.key.is(inside) && reader.peek()? == Kind::Object {
                self.object(reader)
            } else {
                Ok(())
            }
        })?;
        Ok(())
    }

    fn object(&mut self, reader: &mut Reader<'_>) -> Result<(), JsonError> {
        let Self { identity, told, .. } = *self;
        let mut members = Members::new();
        let span = reader.object(|reader, member| {
            let key = member.key.decode();
            match (key.as_ref(), told.cost) {
                ("usage", Some(names)) if reader.peek()? == Kind::Object => {
                    self.cost(reader, names)?
                }
                ("model", _) if told.identity => {
                    self.edits
                        .replace(reader.skip()?, Json(&identity.model).to_string().as_bytes());
                }
                _ => {
                    reader.skip()?;
                }
            }
            let index = members.push(member.key.start..reader.position());
            // An upstream's own ones are not the gateway's.
            if told.identity && key == "provider" || key == "openrouter_metadata" {
                members.remove(index);
            }
            Ok::<_, JsonError>(())
        })?;
        if told.identity {
            members.insert_first(format!("\"provider\":{}", Json(&identity.provider)).as_bytes());
        }
        if let Some(metadata) = identity.metadata.as_ref().filter(|_| told.metadata) {
            members.insert_first(format!("\"openrouter_metadata\":{metadata}").as_bytes());
        }
        members.write(&span, &mut self.edits);
        Ok(())
    }

    fn cost(
        &mut self,
        reader: &mut Reader<'_>,
        (input, output): (&str, &str),
    ) -> Result<(), JsonError> {
        let mut members = Members::new();
        let span = reader.object(|reader, member| {
            reader.skip()?;
            let index = members.push(member.key.start..reader.position());
            if ["cost", "cost_details", "is_byok"].contains(&member.key.decode().as_ref()) {
                members.remove(index);
            }
            Ok::<_, JsonError>(())
        })?;
        members.insert_first(self.identity.cost(self.usage, input, output).as_bytes());
        members.write(&span, &mut self.edits);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Pricing;
    use crate::operation::Operation;
    use crate::translate::Delta;
    use crate::translate::tests::identity;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// 60 fresh and 40 cached input tokens, 10 output tokens.
    fn meter() -> Meter {
        let mut meter = Meter::default();
        meter.delta(&Delta::Usage(Usage {
            input: 100,
            cached: 40,
            output: 10,
            ..Usage::default()
        }));
        meter
    }

    const COST: &str = concat!(
        r#""cost":0.000044,"is_byok":false,"cost_details":{"upstream_inference_cost":0.000044,"#,
        r#""upstream_inference_I_cost":0.000028,"upstream_inference_O_cost":0.000016}"#
    );

    /// `COST` and `MORE` stand for what is told of the cost, and for the metadata that was asked
    /// for.
    #[track_caller]
    fn check(operation: Operation, text: &str, expected: &str) {
        let identity =
            Identity { metadata: Some(r#"{"attempt":1}"#.to_owned()), ..identity(operation) };
        let told = match text.starts_with("event") {
            true => identity.event(text.as_bytes(), &meter()),
            false => identity.whole(text.as_bytes(), &meter()),
        };
        let (input, output) = if operation == Operation::Messages {
            ("prompt", "completions")
        } else {
            ("input", "output")
        };
        let expected = expected
            .replace("COST", &COST.replace('I', input).replace('O', output))
            .replace("MORE", r#""openrouter_metadata":{"attempt":1}"#)
            .replace("WHO", r#""provider":"OpenAI \"EU\"""#);
        assert_eq!(told.map(|told| String::from_utf8(told).unwrap()), Some(expected));
    }

    #[test]
    fn a_message_says_who_answered_and_what_it_cost() {
        check(
            Operation::Messages,
            r#"{"id":"msg_1", "model":"claude",
                "content":[{"type":"text","text":"model"}], "usage": {"input_tokens":60}}"#,
            r#"{WHO,MORE,"id":"msg_1", "model":"openai/gpt-4.1-mini",
                "content":[{"type":"text","text":"model"}], "usage": {COST,"input_tokens":60}}"#,
        );
        // An upstream may be such a gateway, too, so its own figures are replaced.
        check(
            Operation::Messages,
            r#"{"provider":"X","usage":{"cost":1,"is_byok":true,"cost_details":null},
                "openrouter_metadata":{}}"#,
            r#"{WHO,MORE,"usage":{COST}}"#,
        );
    }

    #[test]
    fn each_event_of_a_message_says_its_part() {
        for (text, expected) in [
            (
                "event: message_start\ndata: {\"type\":\"message_start\",\
                 \"message\":{\"model\":\"claude\",\"usage\":{}}}\n\n",
                "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{WHO,\
                 \"model\":\"openai/gpt-4.1-mini\",\"usage\":{}}}\n\n",
            ),
            (
                "event:message_delta\r\ndata: {\"delta\":{},\
                 \r\ndata: \"usage\":{\"output_tokens\":10}}\r\n\r\n",
                "event: message_delta\ndata: {\"delta\":{}, \"usage\":{COST,\
                 \"output_tokens\":10}}\n\n",
            ),
            (
                "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
                "event: message_stop\ndata: {MORE,\"type\":\"message_stop\"}\n\n",
            ),
        ] {
            check(Operation::Messages, text, expected);
        }
    }

    #[test]
    fn a_response_says_what_it_cost_when_it_is_complete() {
        check(
            Operation::Responses,
            r#"{"id":"resp_1","usage":{"input_tokens":100}}"#,
            r#"{MORE,"id":"resp_1","usage":{COST,"input_tokens":100}}"#,
        );
        check(
            Operation::Responses,
            "event: response.completed\ndata: {\"sequence_number\":1,\
             \"response\":{\"usage\":{\"input_tokens\":100}}}\n\n",
            "event: response.completed\ndata: {\"sequence_number\":1,\"response\":{MORE,\
             \"usage\":{COST,\"input_tokens\":100}}}\n\n",
        );
    }

    #[test]
    fn all_other_events_stay_as_they_are() {
        let identity = identity(Operation::Messages);
        for event in [
            "event: content_block_delta\ndata: {\"model\":\"m\",\"usage\":{}}\n\n",
            "event: message_start\ndata: [1\n\n",
            "event: message_start\n\n",
            "data: {\"usage\":{}}\n\n",
            ": message_delta\n\n",
        ] {
            assert_eq!(identity.event(event.as_bytes(), &meter()), None, "{event}");
        }
    }

    #[test]
    fn an_unknown_cost_has_no_parts() {
        let identity = Identity {
            prices: vec![(None, Pricing::default(), Vec::new())],
            ..identity(Operation::Messages)
        };
        let told = identity.whole(br#"{"usage":{}}"#, &meter()).unwrap();
        assert!(
            told.ends_with(br#""usage":{"cost":null,"is_byok":false}}"#),
            "{}",
            String::from_utf8_lossy(&told)
        );
    }
}
