//! `pricing` and `overrides` of an endpoint: USD per unit, as decimal strings.

use super::ConfigErrorKind;
use super::field::{Field, MAX_INTEGER};
use super::reader::Object;
use super::rule;
use crate::catalog::{PriceOverride, Pricing};
use crate::usage::Price;

/// Reads `pricing`.
pub(super) fn read(section: &Field<'_>) -> Pricing {
    let Some(mut o) = section.object() else {
        return Pricing::default();
    };
    let pricing = prices(&mut o);
    o.finish();
    pricing
}

/// Reads `overrides`.
pub(super) fn overrides(section: &Field<'_>) -> Vec<PriceOverride> {
    section.items().iter().filter_map(price_override).collect()
}

/// Conditions and prices stand side by side; without a condition it would be the price itself.
fn price_override(field: &Field<'_>) -> Option<PriceOverride> {
    let mut o = field.object()?;
    let min_prompt_tokens = o.integer("min_prompt_tokens", 0..=MAX_INTEGER);
    let start = o.optional("utc_start");
    let end = match start {
        Some(_) => o.required("utc_end", "with utc_start"),
        None => o.optional("utc_end"),
    };
    if start.is_none() && (end.is_some() || min_prompt_tokens.is_none()) {
        field.error(ConfigErrorKind::Missing {
            expected: "min_prompt_tokens, or utc_start and utc_end".to_owned(),
        });
    }
    let utc = start.zip(end).and_then(|(start, end)| span(&start, &end));
    let pricing = prices(&mut o);
    o.finish();
    Some(PriceOverride {
        min_prompt_tokens,
        utc,
        pricing,
    })
}

fn span(start: &Field<'_>, end: &Field<'_>) -> Option<(u16, u16)> {
    let minute = |field: &Field<'_>| minute_of_day(field.string(&rule::TIME_OF_DAY)?);
    let (from, to) = minute(start).zip(minute(end))?;
    if from == to {
        end.invalid("another time than utc_start");
    }
    Some((from, to))
}

fn prices(o: &mut Object<'_>) -> Pricing {
    let mut pricing = Pricing::default();
    for (key, price) in pricing.entries_mut() {
        *price = o.optional(key).and_then(|field| self::price(&field));
    }
    pricing
}

fn price(field: &Field<'_>) -> Option<Price> {
    let parsed = Price::parse(&field.decimal()?);
    if let Err(reason) = parsed {
        field.error(ConfigErrorKind::Price {
            value: field.shown(),
            reason,
        });
    }
    parsed.ok()
}

/// Minutes after midnight of `HHMM`.
pub(super) fn minute_of_day(text: &str) -> Option<u16> {
    if text.len() != 4 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let time: u16 = text.parse().ok()?;
    let (hours, minutes) = (time / 100, time % 100);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}
