//! Models and endpoints: what may be asked for, who offers it, at what price and under which
//! policy.

pub mod glob;
mod modality;
mod price;
mod pricing;
mod tier;
mod variant;

use std::borrow::Cow;
use std::time::Duration;

pub use modality::Modality;
pub use price::{Cost, Price, PriceError};
pub use pricing::{PriceOverride, Pricing};
pub use tier::{ServiceTier, Tier};
pub use variant::{Asked, Variant};

/// The model that stands for the choice by `routing.auto`.
pub const AUTO: &str = "openrouter/auto";
/// Another name of that model.
pub const AUTO_ALIAS: &str = "auto";

/// OpenRouter's names of weight formats.
pub const QUANTIZATIONS: [&str; 12] = [
    "int4", "int8", "fp4", "mxfp4", "nvfp4", "fp6", "fp8", "mxfp8", "fp16", "bf16", "fp32",
    "unknown",
];

/// Index of a model in its [`Catalog`], which alone makes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ModelId(pub(crate) usize);

/// Index of a provider in [`crate::config::Config::providers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProviderId(pub(crate) usize);

/// All models of one configuration, with lookup by id, alias and wildcard.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Catalog {
    models: Vec<Model>,
    /// Ids and aliases without a wildcard, sorted by name; the first model with a name owns it.
    names: Vec<(String, ModelId)>,
    /// What stands before the `*` of wildcards, the longest first.
    wildcards: Vec<(String, ModelId)>,
}

/// A model that clients ask for.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The name that clients ask for: `author/slug`, or the beginning of one and `*`, for any that
    /// begins so. Required.
    pub id: String,
    /// The name that listings show. Default: the id.
    pub name: String,
    /// Other names that clients may ask for. Default: none.
    pub aliases: Vec<String>,
    /// Tokens of input and output together, where known.
    pub context_length: Option<u64>,
    /// What it takes as input, of `text`, `image`, `file`, `audio` and `video`. Default:
    /// everything.
    pub input_modalities: Option<Vec<String>>,
    /// Whether its answers may train other models; `provider.enforce_distillable_text` asks for it.
    /// Default: `false`.
    pub distillable: bool,
    /// Who offers it; at least one endpoint. Required.
    ///
    /// They stand in the document's order.
    pub endpoints: Vec<Endpoint>,
}

/// One provider's offer of one model. Every filter acts on endpoints.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// `provider/model#tag`. All shared state is keyed by it, as it stays the same when the
    /// document is put in another order.
    pub id: String,
    /// The id of the provider that serves it. Required.
    pub provider: ProviderId,
    /// The provider's own name for the model; `*` in a model whose id ends in `*`: the part of the
    /// asked name that the id's `*` stands for. Required.
    ///
    /// `None` stands for the part of the asked name that a wildcard took.
    pub model: Option<String>,
    /// A word that tells endpoints of one provider apart, such as `eu` or `turbo`; one whose last
    /// part is `flex` or `priority` is a service tier. Default: none.
    pub tag: Option<String>,
    /// What it costs, in USD per unit as decimal strings. Default: unknown, which is not free.
    pub pricing: Pricing,
    /// Prices that hold instead on a condition, of which the later win: above `min_prompt_tokens`,
    /// or from `utc_start` to `utc_end` (`"2230"`), or both. Default: none.
    pub overrides: Vec<PriceOverride>,
    /// A factor on its share where endpoints are drawn. Default: `1`.
    pub weight: f64,
    /// Tokens of input and output together, where known.
    pub context_length: Option<u64>,
    /// Longest output, where known.
    pub max_completion_tokens: Option<u64>,
    /// How its weights are stored: `int4`, `int8`, `fp4`, `mxfp4`, `nvfp4`, `fp6`, `fp8`, `mxfp8`,
    /// `fp16`, `bf16` or `fp32`. Default: `unknown`.
    pub quantization: String,
    /// The request's fields that it understands. Default: all.
    pub supported_parameters: Option<Vec<String>>,
    /// Where the data goes; empty: unknown, so that a tenant that restricts regions may not use it.
    pub regions: Vec<String>,
    /// What it does with prompts.
    pub data_policy: DataPolicy,
    /// How long its prompt cache lasts, where that is not what `routing.sticky` says.
    pub cache_ttl: Option<Duration>,
}

/// What a provider does with prompts; unknown counts as the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataPolicy {
    /// Keeps them after answering.
    pub retains: bool,
    /// Trains on them.
    pub trains: bool,
}

impl Catalog {
    /// Builds the lookup tables once, so that each request's lookup is cheap.
    pub fn new(models: Vec<Model>) -> Self {
        let mut names = Vec::new();
        let mut wildcards = Vec::new();
        for (index, model) in models.iter().enumerate() {
            for name in std::iter::once(&model.id).chain(&model.aliases) {
                match name.strip_suffix('*') {
                    Some(prefix) => wildcards.push((prefix.to_owned(), ModelId(index))),
                    None => names.push((name.clone(), ModelId(index))),
                }
            }
        }
        names.sort_by(|a, b| a.0.cmp(&b.0));
        names.dedup_by(|later, first| later.0 == first.0);
        // Keys of the type that other keys have, as the module holds the code of sorting once per
        // type.
        wildcards.sort_by_cached_key(|(prefix, _)| u128::MAX - prefix.len() as u128);
        Self { models, names, wildcards }
    }

    /// Every model, in the document's order.
    pub fn models(&self) -> &[Model] {
        &self.models
    }

    /// The model of an id that this catalogue made.
    pub fn model(&self, id: ModelId) -> Option<&Model> {
        self.models.get(id.0)
    }

    /// Finds a model by its exact id or alias, else by the longest wildcard, with the part of the
    /// name that the wildcard took.
    pub fn find<'a>(&self, asked: &'a str) -> Option<(ModelId, Option<&'a str>)> {
        let exact = self.names.binary_search_by(|(name, _)| name.as_str().cmp(asked)).ok();
        if let Some((_, id)) = exact.and_then(|at| self.names.get(at)) {
            return Some((*id, None));
        }
        self.wildcards.iter().find_map(|(prefix, id)| {
            let rest = asked.strip_prefix(prefix.as_str())?;
            (!rest.is_empty()).then_some((*id, Some(rest)))
        })
    }
}

impl Model {
    /// Whether it stands for every name that begins like its id.
    pub fn is_wildcard(&self) -> bool {
        self.id.ends_with('*')
    }

    /// Its id, with what a wildcard took filled in.
    pub fn id_with(&self, rest: Option<&str>) -> Cow<'_, str> {
        match rest {
            Some(rest) => Cow::Owned([self.id.trim_end_matches('*'), rest].concat()),
            None => Cow::Borrowed(&self.id),
        }
    }

    /// The endpoint that is shown where only one can be: the first of the default tier.
    pub fn first_endpoint(&self) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.tier().is_none()).or(self.endpoints.first())
    }
}

impl Endpoint {
    /// The name to ask the upstream for, given the part of the client's name that a wildcard took.
    pub fn upstream_model<'a>(&'a self, rest: Option<&'a str>) -> &'a str {
        self.model.as_deref().or(rest).unwrap_or_default()
    }
}

impl Default for DataPolicy {
    /// The worst, which is assumed of a provider whose policy is not known.
    fn default() -> Self {
        Self { retains: true, trains: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    pub(super) fn model(id: &str, aliases: &[&str]) -> Model {
        Model {
            id: id.to_owned(),
            name: id.to_owned(),
            aliases: aliases.iter().map(ToString::to_string).collect(),
            context_length: None,
            input_modalities: None,
            distillable: false,
            endpoints: Vec::new(),
        }
    }

    fn endpoint(model: Option<&str>) -> Endpoint {
        Endpoint {
            id: "p/*".to_owned(),
            provider: ProviderId(0),
            model: model.map(str::to_owned),
            tag: None,
            pricing: Pricing::default(),
            overrides: Vec::new(),
            weight: 1.0,
            context_length: None,
            max_completion_tokens: None,
            quantization: "unknown".to_owned(),
            supported_parameters: None,
            regions: Vec::new(),
            data_policy: DataPolicy::default(),
            cache_ttl: None,
        }
    }

    #[test]
    fn lookup_prefers_the_exact_name_then_the_longest_wildcard() {
        let catalog = Catalog::new(vec![
            model("*", &[]),
            model("vllm/*", &[]),
            model("vllm/llama*", &[]),
            model("vllm/llama-fixed", &["llama", "a/b"]),
        ]);
        for (asked, index, rest) in [
            ("vllm/llama-fixed", 3, None),
            ("llama", 3, None),
            ("a/b", 3, None),
            ("vllm/llama-3", 2, Some("-3")),
            ("vllm/llama", 1, Some("llama")),
            ("vllm/qwen/7b", 1, Some("qwen/7b")),
            ("vllm/", 0, Some("vllm/")),
            ("anything", 0, Some("anything")),
            ("é", 0, Some("é")),
        ] {
            assert_eq!(catalog.find(asked), Some((ModelId(index), rest)), "{asked}");
        }
        assert_eq!(catalog.find(""), None);
        assert_eq!(Catalog::default().find("llama"), None);
    }

    #[test]
    fn ids_past_the_end_find_nothing() {
        let catalog = Catalog::new(vec![model("a/b", &[])]);
        assert_eq!(catalog.models().len(), 1);
        assert_eq!(catalog.model(ModelId(0)).map(|m| m.id.as_str()), Some("a/b"));
        assert_eq!(catalog.model(ModelId(1)), None);
    }

    #[test]
    fn every_name_of_a_large_catalogue_is_found() {
        let models =
            (0..5000).map(|n| model(&format!("author/model-{n}"), &[&format!("alias-{n}")]));
        let catalog = Catalog::new(models.collect());
        for n in 0..5000 {
            let found = Some((ModelId(n), None));
            assert_eq!(catalog.find(&format!("author/model-{n}")), found);
            assert_eq!(catalog.find(&format!("alias-{n}")), found);
        }
    }

    #[test]
    fn the_upstream_gets_its_own_name_or_what_the_wildcard_took() {
        assert_eq!(endpoint(Some("fixed")).upstream_model(Some("rest")), "fixed");
        assert_eq!(endpoint(None).upstream_model(Some("rest")), "rest");
        assert_eq!(endpoint(None).upstream_model(None), "");
    }

    #[test]
    fn a_tier_is_the_last_part_of_a_tag() {
        for (tag, tier) in [
            (None, None),
            (Some("eu"), None),
            (Some("flexible"), None),
            (Some("flex/eu"), None),
            (Some("high-priority"), None),
            (Some("flex"), Some(Tier::Flex)),
            (Some("eu/priority"), Some(Tier::Priority)),
        ] {
            let tagged = Endpoint { tag: tag.map(str::to_owned), ..endpoint(None) };
            assert_eq!(tagged.tier(), tier, "{tag:?}");
        }
    }
}
