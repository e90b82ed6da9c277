//! A YAML document whose values remember their lines.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_yaml::Spanned;

use super::path::{Path, Step};
use super::{LoadError, Problem};

/// A value of a document.
#[derive(Debug)]
pub(super) struct YamlNode(Spanned<Content>);

#[derive(Debug)]
enum Content {
    Scalar(Value),
    List(Vec<YamlNode>),
    Map(Vec<(Spanned<String>, YamlNode)>),
}

impl YamlNode {
    /// Reads a document.
    pub(super) fn parse(text: &str) -> Result<Self, LoadError> {
        serde_yaml::from_str(text).map_err(|error| syntax(&error).into())
    }

    /// The value without its lines.
    pub(super) fn to_value(&self) -> Value {
        match &self.0.value {
            Content::Scalar(value) => value.clone(),
            Content::List(items) => items.iter().map(Self::to_value).collect(),
            Content::Map(fields) => fields.iter().map(|(name, node)| (name.value.clone(), node.to_value())).collect(),
        }
    }

    /// The line, from 1, of the value at `path`: of its key if it has one, of what it should stand in if it is missing.
    pub(super) fn line(&self, path: &Path) -> u64 {
        let mut line = self.0.referenced.line();
        let mut node = self;
        for step in path.steps() {
            let below = match (step, &node.0.value) {
                (Step::Field(name), Content::Map(fields)) => {
                    fields.iter().find(|(key, _)| key.value == *name).map(|(key, value)| (key.referenced.line(), value))
                }
                (Step::Index(i), Content::List(items)) => items.get(*i).map(|item| (item.0.referenced.line(), item)),
                _ => None,
            };
            let Some((at, value)) = below else { break };
            (line, node) = (at, value);
        }
        line
    }
}

/// What the parser says, without the picture of the text it draws.
fn syntax(error: &serde_yaml::Error) -> Problem {
    let error = error.without_snippet();
    let text = error.to_string();
    let place = error.location().map(|at| (at.line(), at.column()));
    let text = text.lines().next().unwrap_or_default();
    let problem = Problem::new(Path::root(), format_args!("is not YAML: {text}"));
    match place {
        Some((line, column)) => problem.at(line, Some(column)),
        None => problem,
    }
}

impl<'de> Deserialize<'de> for YamlNode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Spanned::deserialize(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, v: bool) -> Result<Content, E> {
        Ok(Content::Scalar(v.into()))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Content, E> {
        Ok(Content::Scalar(v.into()))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Content, E> {
        Ok(Content::Scalar(v.into()))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Content, E> {
        // JSON has no infinity; as a text it is refused where a number is due.
        Ok(Content::Scalar(serde_json::Number::from_f64(v).map_or_else(|| v.to_string().into(), Value::Number)))
    }

    fn visit_str<E>(self, v: &str) -> Result<Content, E> {
        Ok(Content::Scalar(v.into()))
    }

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Content, D::Error> {
        Content::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Content, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Content::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Content, A::Error> {
        let mut fields = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            fields.push(entry);
        }
        Ok(Content::Map(fields))
    }
}
