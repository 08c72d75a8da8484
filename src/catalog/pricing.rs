//! Prices of an endpoint, and the conditions under which others hold.
//!
//! Source of the names and rules: OpenRouter's catalogue (`pricing`, `overrides`).

use std::borrow::Cow;

use super::{Cost, Price};

/// Declares [`Pricing`] and the table of its keys together, so that no key can be forgotten in one
/// of them.
macro_rules! pricing {
    ($($(#[$doc:meta])* $key:ident,)*) => {
        /// Prices of one endpoint in USD per unit; `None` is unknown, not free.
        #[derive(Clone, Debug, PartialEq, Default)]
        pub struct Pricing {
            $($(#[$doc])* pub $key: Option<Price>,)*
        }

        impl Pricing {
            /// Every price's name in the configuration and in listings, with its field.
            pub fn entries(&self) -> impl Iterator<Item = (&'static str, Option<Price>)> {
                [$((stringify!($key), self.$key),)*].into_iter()
            }

            /// Every price's name and its field, to be filled in.
            pub fn entries_mut(
                &mut self,
            ) -> impl Iterator<Item = (&'static str, &mut Option<Price>)> {
                [$((stringify!($key), &mut self.$key),)*].into_iter()
            }
        }
    };
}

pricing! {
    /// Per input token.
    prompt,
    /// Per output token.
    completion,
    /// Per request.
    request,
    /// Per input image.
    image,
    /// Per input token that encodes an image.
    image_token,
    /// Per output image.
    image_output,
    /// Per audio input token.
    audio,
    /// Per audio output token.
    audio_output,
    /// Per web search.
    web_search,
    /// Per reasoning token, where it differs from `completion`.
    internal_reasoning,
    /// Per cached input token.
    input_cache_read,
    /// Per input token written to the cache.
    input_cache_write,
    /// Per input token written to the cache for an hour.
    input_cache_write_1h,
    /// Per cached audio input token.
    input_audio_cache,
}

/// Prices that hold in place of others when every condition holds.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct PriceOverride {
    /// The request must have strictly more input tokens than this.
    pub min_prompt_tokens: Option<u64>,
    /// The time must be from `.0` up to but not including `.1`, in minutes after midnight UTC; the
    /// span may include midnight.
    pub utc: Option<(u16, u16)>,
    /// The prices that change.
    pub pricing: Pricing,
}

impl Pricing {
    /// These prices with each override that holds laid over them in order, the later winning key by
    /// key.
    #[inline]
    pub fn at(
        &self,
        overrides: &[PriceOverride],
        input_tokens: u64,
        minute_of_day_utc: u16,
    ) -> Cow<'_, Self> {
        match overrides {
            [] => Cow::Borrowed(self),
            overrides => Cow::Owned(self.changed(overrides, input_tokens, minute_of_day_utc)),
        }
    }

    fn changed(
        &self,
        overrides: &[PriceOverride],
        input_tokens: u64,
        minute_of_day_utc: u16,
    ) -> Self {
        let mut pricing = self.clone();
        for change in overrides.iter().filter(|o| o.holds(input_tokens, minute_of_day_utc)) {
            for ((_, price), (_, other)) in pricing.entries_mut().zip(change.pricing.entries()) {
                *price = other.or(*price);
            }
        }
        pricing
    }

    /// What so many tokens cost if three quarters of them are input: the one price that endpoints
    /// are compared by. `None` where the price of input is unknown; an unknown one of output counts
    /// as nothing.
    pub fn blended(&self, tokens: u64) -> Option<Cost> {
        Some(
            self.prompt?.cost(tokens / 4 * 3)
                + self.completion.unwrap_or_default().cost(tokens / 4),
        )
    }

    /// [`Self::blended`] of a million tokens, as people compare prices.
    pub fn blended_per_million(&self) -> Option<Cost> {
        self.blended(1_000_000)
    }
}

impl PriceOverride {
    fn holds(&self, input_tokens: u64, minute: u16) -> bool {
        let long = self.min_prompt_tokens.is_none_or(|least| input_tokens > least);
        let now = self.utc.is_none_or(|(start, end)| {
            if start <= end {
                start <= minute && minute < end
            } else {
                start <= minute || minute < end
            }
        });
        long && now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn price(text: &str) -> Option<Price> {
        Some(Price::parse(text).unwrap())
    }

    #[test]
    fn overrides_hold_when_every_condition_does() {
        let night = Some((22 * 60, 6 * 60));
        let day = Some((8 * 60, 18 * 60));
        for (min_prompt_tokens, utc, tokens, minute, holds) in [
            (None, None, 0, 0, true),
            (Some(200), None, 200, 0, false),
            (Some(200), None, 201, 0, true),
            (None, day, 0, 479, false),
            (None, day, 0, 480, true),
            (None, day, 0, 1079, true),
            (None, day, 0, 1080, false),
            (None, night, 0, 1319, false),
            (None, night, 0, 1320, true),
            (None, night, 0, 0, true),
            (None, night, 0, 359, true),
            (None, night, 0, 360, false),
            (Some(200), night, 201, 720, false),
            (Some(200), night, 200, 0, false),
            (Some(200), night, 201, 0, true),
        ] {
            let change = PriceOverride { min_prompt_tokens, utc, pricing: Pricing::default() };
            assert_eq!(change.holds(tokens, minute), holds, "{change:?} {tokens} {minute}");
        }
    }

    fn above(tokens: u64, pricing: Pricing) -> PriceOverride {
        PriceOverride { min_prompt_tokens: Some(tokens), utc: None, pricing }
    }

    #[test]
    fn the_later_override_wins_key_by_key() {
        let base = Pricing { prompt: price("1"), completion: price("2"), ..Pricing::default() };
        let overrides = [
            above(10, Pricing { prompt: price("3"), request: price("9"), ..Pricing::default() }),
            above(20, Pricing { prompt: price("4"), ..Pricing::default() }),
        ];
        assert_eq!(*base.at(&overrides, 10, 0), base);
        assert_eq!(
            *base.at(&overrides, 15, 0),
            Pricing { prompt: price("3"), request: price("9"), ..base.clone() }
        );
        assert_eq!(
            *base.at(&overrides, 25, 0),
            Pricing { prompt: price("4"), request: price("9"), ..base.clone() }
        );
    }

    #[test]
    fn unknown_prices_stay_unknown() {
        assert_eq!(*Pricing::default().at(&[PriceOverride::default()], 1, 1), Pricing::default());
        assert_eq!(Pricing::default().entries().count(), 14);
    }
}
