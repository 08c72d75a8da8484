//! Values that were read by a table of this dialect (see `shape`).

use crate::translate::form::Text;

/// A value that has its shape; null where it is missing.
#[derive(Debug, Default)]
pub(super) enum Value<'a> {
    #[default]
    Null,
    Text(Text<'a>),
    Flag(bool),
    Whole(u64),
    Number(f64),
    Raw(&'a str),
    List(Vec<Value<'a>>),
    Object(Object<'a>),
}

impl<'a> Value<'a> {
    pub(super) fn text(self) -> Option<Text<'a>> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(super) fn flag(self) -> Option<bool> {
        if let Self::Flag(flag) = self { Some(flag) } else { None }
    }

    pub(super) fn whole(self) -> Option<u64> {
        if let Self::Whole(number) = self { Some(number) } else { None }
    }

    pub(super) fn number(self) -> Option<f64> {
        if let Self::Number(number) = self { Some(number) } else { None }
    }

    pub(super) fn list(self) -> Vec<Self> {
        if let Self::List(values) = self { values } else { Vec::new() }
    }

    /// The objects of a list.
    pub(super) fn objects(self) -> Vec<Object<'a>> {
        self.list().into_iter().filter_map(Self::object).collect()
    }

    pub(super) fn object(self) -> Option<Object<'a>> {
        if let Self::Object(object) = self { Some(object) } else { None }
    }
}

/// The fields of an object that are known, as they come.
#[derive(Debug, Default)]
pub(super) struct Object<'a>(pub(super) Vec<(&'static str, Value<'a>)>);

impl<'a> Object<'a> {
    /// The field, which is null from here on.
    pub(super) fn take(&mut self, name: &str) -> Value<'a> {
        let field = self.0.iter_mut().find(|(known, _)| *known == name);
        field.map(|(_, value)| std::mem::take(value)).unwrap_or_default()
    }

    /// The field, if it is a text.
    pub(super) fn text(&mut self, name: &str) -> Option<Text<'a>> {
        self.take(name).text()
    }

    /// The field, if it is a text, left where it is.
    pub(super) fn str(&self, name: &str) -> Option<&str> {
        match self.find(name)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The field as it stands in the request, if it is read so.
    pub(super) fn raw(&self, name: &str) -> Option<&'a str> {
        match self.find(name)? {
            Value::Raw(json) => Some(json),
            _ => None,
        }
    }

    fn find(&self, name: &str) -> Option<&Value<'a>> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}
