//! The catalogue as text: a line for each model, and below it one for each endpoint.

use std::fmt::Write as _;

use modelyard::catalog::Price;
use modelyard::config::Config;

/// Tokens that prices are printed for.
const MILLION: u64 = 1_000_000;

/// Every model of a configuration.
pub(crate) fn of(config: &Config) -> String {
    let mut text = String::new();
    for model in config.catalog.models() {
        let aliases: String = model.aliases.iter().map(|alias| format!(", {alias}")).collect();
        let _ = writeln!(text, "{}{aliases}", model.id);
        for endpoint in &model.endpoints {
            let [input, output] =
                [endpoint.pricing.prompt, endpoint.pricing.completion].map(per_million);
            let _ = writeln!(text, "  {:<48} {input:>8} in {output:>8} out", endpoint.id);
        }
    }
    text
}

/// In USD; an unknown price is not free.
fn per_million(price: Option<Price>) -> String {
    price.map_or_else(|| "?".to_owned(), |price| format!("${}", price.cost(MILLION)))
}
