//! The request's `plugins`: OpenRouter's own services, of which this gateway has the choice of a
//! model alone.
//!
//! What would change the answer is refused; what only helps is left out, and the answer's headers
//! say so.

use super::problem::{boolean, members, texts, wrong};
use crate::error::Error;
use crate::wire::json::{Kind, Reader};

const FIELD: &str = "plugins";
const AUTO_ROUTER: &str = "auto-router";

/// OpenRouter's plugins, and whether a request for one can be served without it.
const PLUGINS: [(&str, bool); 11] = [
    ("web", false),
    ("web-fetch", false),
    ("file-parser", false),
    ("fusion", false),
    ("moderation", false),
    ("response-healing", true),
    ("context-compression", true),
    // These choose a model where the request names none.
    (AUTO_ROUTER, true),
    ("auto-beta-router", true),
    ("pareto-router", true),
    ("body-builder", true),
];

/// Bytes of the longest pattern of model ids.
const LONGEST_PATTERN: usize = 1024;
/// Bytes that all patterns may have together.
const LONGEST_PATTERNS: usize = 65_536;

/// What a client lets the gateway choose from: patterns of model ids, in which `*` stands for
/// anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AutoRouter {
    /// Only these may be chosen; empty: all may.
    pub allowed_models: Vec<String>,
    /// None of these may be chosen.
    pub excluded_models: Vec<String>,
}

/// What is asked of plugins.
#[derive(Debug, Default)]
pub(super) struct Plugins {
    pub(super) auto_router: Option<Box<AutoRouter>>,
    /// Whether something is asked for that this gateway leaves out.
    pub(super) unapplied: bool,
}

/// One entry of `plugins`.
#[derive(Default)]
struct Plugin {
    id: Option<String>,
    disabled: bool,
    auto_router: AutoRouter,
    /// Whether it has settings that this gateway does not read.
    more: bool,
}

/// Reads the value of `plugins`.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<Plugins, Error> {
    const EXPECTED: &str = "must be an array of objects with an id";
    if reader.peek()? != Kind::Array {
        return Err(wrong(FIELD, EXPECTED));
    }
    let mut plugins = Plugins::default();
    reader.array(|reader, _| {
        if reader.peek()? != Kind::Object {
            return Err(wrong(FIELD, EXPECTED));
        }
        let plugin = Plugin::read(reader)?;
        let id = plugin.id.ok_or_else(|| wrong(FIELD, EXPECTED))?;
        let known = PLUGINS.iter().find(|(name, _)| *name == id);
        match known {
            _ if plugin.disabled => {}
            Some((name, _)) if *name == AUTO_ROUTER => {
                plugins.auto_router = Some(Box::new(plugin.auto_router));
                plugins.unapplied |= plugin.more;
            }
            Some((_, true)) => plugins.unapplied = true,
            Some((name, false)) => {
                return Err(wrong(FIELD, &format!("{name} is not supported by this gateway")));
            }
            None => return Err(wrong(FIELD, "has an unknown id")),
        }
        Ok(())
    })?;
    Ok(plugins)
}

impl Plugin {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let mut plugin = Self::default();
        members(reader, &mut |reader, key| {
            let kind = reader.peek()?;
            match key {
                _ if kind == Kind::Null => {}
                "id" if kind == Kind::String => {
                    plugin.id = Some(reader.string()?.decode().into_owned())
                }
                "enabled" => plugin.disabled = !boolean(reader, "plugins.enabled")?,
                "allowed_models" => {
                    plugin.auto_router.allowed_models = texts(reader, "plugins.allowed_models")?
                }
                "excluded_models" => {
                    plugin.auto_router.excluded_models = texts(reader, "plugins.excluded_models")?
                }
                _ => plugin.more = true,
            }
            Ok(())
        })?;
        plugin.auto_router.check()?;
        Ok(plugin)
    }
}

impl AutoRouter {
    /// Refuses what is beyond OpenRouter's bounds.
    fn check(&self) -> Result<(), Error> {
        let (allowed, excluded) = (&self.allowed_models, &self.excluded_models);
        let mut all = allowed.iter().chain(excluded);
        let together: usize = all.clone().map(String::len).sum();
        if all.all(|pattern| pattern.len() <= LONGEST_PATTERN) && together <= LONGEST_PATTERNS {
            return Ok(());
        }
        Err(wrong(FIELD, "must have patterns of at most 1024 characters, 65536 characters in all"))
    }
}
