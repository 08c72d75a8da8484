//! `pricing` and `overrides` of an endpoint: USD per unit, as decimal strings.

use super::field::{Field, MAX_INTEGER};
use super::reader::Object;
use super::rule;
use super::{ConfigErrorKind, WarningKind};
use crate::catalog::{Price, PriceOverride, Pricing};

const MILLION: u64 = 1_000_000;
/// A token's price, in femtodollars, from which on it is more likely meant as the price of a
/// million tokens: by it they would cost 10,000 USD.
const MOST_LIKELY: u128 = 10_000_000_000_000;

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

/// Reads an override: conditions, of which there must be one, and beside them the prices that hold
/// then.
fn price_override(field: &Field<'_>) -> Option<PriceOverride> {
    let mut o = field.object()?;
    let least = o.optional("min_prompt_tokens");
    let start = o.optional("utc_start");
    let end = match start {
        Some(_) => o.required("utc_end", "with utc_start"),
        None => o.optional("utc_end"),
    };
    if start.is_none() && (end.is_some() || least.is_none()) {
        field.error(ConfigErrorKind::Missing {
            expected: "min_prompt_tokens, or utc_start and utc_end".to_owned(),
        });
    }
    let min_prompt_tokens = least.and_then(|field| field.integer(0..=MAX_INTEGER));
    let utc = start.zip(end).and_then(|(start, end)| span(&start, &end));
    let pricing = prices(&mut o);
    o.finish();
    Some(PriceOverride { min_prompt_tokens, utc, pricing })
}

fn span(start: &Field<'_>, end: &Field<'_>) -> Option<(u16, u16)> {
    let (from, to) = minute(start).zip(minute(end))?;
    if from == to {
        end.invalid("another time than utc_start");
    }
    Some((from, to))
}

fn minute(field: &Field<'_>) -> Option<u16> {
    rule::minute_of_day(field.string(&rule::TIME_OF_DAY)?)
}

fn prices(o: &mut Object<'_>) -> Pricing {
    let mut pricing = Pricing::default();
    for (key, price) in pricing.entries_mut() {
        *price = o.optional(key).and_then(|field| {
            let price = self::price(&field)?;
            if matches!(key, "prompt" | "completion") {
                doubt(&field, price);
            }
            Some(price)
        });
    }
    pricing
}

/// Warns of a token's price that is higher than any provider's.
fn doubt(field: &Field<'_>, price: Price) {
    if price.cost(1).femtodollars() >= MOST_LIKELY {
        field.warn(WarningKind::PriceOfMillion { million: price.cost(MILLION).usd() });
    }
}

pub(super) fn price(field: &Field<'_>) -> Option<Price> {
    let parsed = Price::parse(&field.decimal()?);
    if let Err(reason) = parsed {
        field.error(ConfigErrorKind::Price { value: field.shown(), reason });
    }
    parsed.ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{check_errors, config_with, parse_with};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const PRICING: &str = "/models/0/endpoints/0/pricing";
    const OVERRIDES: &str = "/models/0/endpoints/0/overrides";

    #[test]
    fn rules_of_pricing() {
        let path = "models[0].endpoints[0].pricing";
        check_errors(&[
            (PRICING, r#"{"input_cache_write_1h": "0", "web_search": "0.01"}"#, ""),
            (PRICING, r#"{"prompt": 1}"#, ""),
            (
                PRICING,
                r#"{"prompt": true}"#,
                &format!("{path}.prompt: wrong type: boolean (allowed: decimal number)"),
            ),
            (
                PRICING,
                r#"{"promt": "1"}"#,
                &format!(
                    "{path}.promt: unknown key (known: audio, audio_output, completion, image, \
                     image_output, image_token, input_audio_cache, input_cache_read, \
                     input_cache_write, input_cache_write_1h, internal_reasoning, prompt, request, \
                     web_search)"
                ),
            ),
        ]);
    }

    #[test]
    fn a_price_that_is_none_is_shown_with_the_reason() {
        let path = "models[0].endpoints[0].pricing.prompt";
        let not_decimal = "not a non-negative decimal number";
        for (value, shown, why) in [
            (r#""-1""#, "-1", not_decimal),
            ("-1", "-1", not_decimal),
            (r#""""#, r#""""#, not_decimal),
            (r#""free""#, r#""free""#, not_decimal),
            ("1e-16", "1e-16", "more than 15 digits after the point"),
            ("1e9", "1000000000", "above 18446 USD"),
        ] {
            let pricing = format!("{{\"prompt\": {value}}}");
            let expected = format!("{path}: invalid price: {shown} ({why})");
            check_errors(&[(PRICING, &pricing, &expected)]);
        }
    }

    #[test]
    fn numbers_are_prices_too_and_exact() {
        let pricing = r#"{"prompt": 0.0000004, "completion": "4e-7", "request": 0.0000016}"#;
        let config = config_with(PRICING, pricing);
        let pricing = &config.catalog.models()[0].endpoints[0].pricing;
        assert_eq!(pricing.prompt, Price::parse("0.0000004").ok());
        assert_eq!(pricing.prompt, pricing.completion);
        assert_eq!(pricing.request, Price::parse("0.0000016").ok());
        assert_eq!(pricing.image, None);
    }

    #[test]
    fn a_price_of_a_million_tokens_is_doubted() {
        for (pricing, key, usd) in [
            (r#"{"prompt": "0.01"}"#, "prompt", "10000"),
            (r#"{"completion": 0.6}"#, "completion", "600000"),
        ] {
            let path = format!("models[0].endpoints[0].pricing.{key}");
            let doubt = "a million tokens would cost";
            let expected = format!("{path}: {doubt} {usd} USD (prices are USD per token)");
            assert_eq!(warnings_of(pricing), [expected]);
        }
        let usual =
            r#"{"prompt": "0.0006", "completion": "0.0009", "request": "1", "image": "0.04"}"#;
        assert_eq!(warnings_of(usual), [""; 0]);
    }

    fn warnings_of(pricing: &str) -> Vec<String> {
        let (_, warnings) = parse_with(PRICING, pricing).unwrap();
        warnings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn rules_of_overrides() {
        let path = "models[0].endpoints[0].overrides[0]";
        let time = "(allowed: four digits, \"0000\" to \"2359\")";
        let needs = "(expected: min_prompt_tokens, or utc_start and utc_end)";
        check_errors(&[
            (OVERRIDES, "[]", ""),
            (OVERRIDES, r#"[{"prompt": "1"}]"#, &format!("{path}: missing {needs}")),
            (OVERRIDES, r#"[{"utc_end": "0600"}]"#, &format!("{path}: missing {needs}")),
            (
                OVERRIDES,
                r#"[{"utc_start": "0600"}]"#,
                &format!("{path}.utc_end: missing (expected: with utc_start)"),
            ),
            (
                OVERRIDES,
                r#"[{"utc_start": "0600", "utc_end": "2400"}]"#,
                &format!("{path}.utc_end: invalid: 2400 {time}"),
            ),
            (
                OVERRIDES,
                r#"[{"utc_start": "6:00", "utc_end": "1260"}]"#,
                &format!(
                    "{path}.utc_start: invalid: \"6:00\" {time}\n\
                     {path}.utc_end: invalid: 1260 {time}"
                ),
            ),
            (
                OVERRIDES,
                r#"[{"utc_start": "0600", "utc_end": "0600"}]"#,
                &format!(
                    "{path}.utc_end: invalid: \"0600\" (allowed: another time than utc_start)"
                ),
            ),
            (
                OVERRIDES,
                r#"[{"min_prompt_tokens": -5}]"#,
                &format!(
                    "{path}.min_prompt_tokens: invalid: -5 (allowed: a whole number, at least 0)"
                ),
            ),
        ]);
    }

    #[test]
    fn overrides_are_read_in_order() {
        let value = r#"[{"min_prompt_tokens": 200000, "prompt": "2"},
                        {"utc_start": "2230", "utc_end": "0600", "completion": "0.5"}]"#;
        let config = config_with(OVERRIDES, value);
        let [long, night] = config.catalog.models()[0].endpoints[0].overrides.as_slice() else {
            panic!("two overrides")
        };
        assert_eq!((long.min_prompt_tokens, long.utc), (Some(200_000), None));
        assert_eq!(night.utc, Some((22 * 60 + 30, 6 * 60)));
        assert_eq!(night.pricing.completion, Price::parse("0.5").ok());
    }
}
