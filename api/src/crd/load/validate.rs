//! Judges a value by the resource's schema.
//!
//! A walker of our own rather than a validator for all of JSON Schema, since structural schemas use a small part of it and the point is
//! the wording: what the value is, and what it may be.

use std::collections::HashMap;

use regex::Regex;
use serde_json::{Map, Value};

use super::Problem;
use super::path::Path;
use crate::crd::rules;
use crate::limits::{Range, Size, out_of_range, wrong_form};

/// Everything in `value` that `schema` does not allow.
pub(super) fn problems(schema: &Value, value: &Value) -> Vec<Problem> {
    let mut judge = Judge { problems: Vec::new(), patterns: HashMap::new() };
    judge.value(schema, value, &Path::root());
    judge.problems
}

struct Judge {
    problems: Vec<Problem>,
    patterns: HashMap<String, Option<Regex>>,
}

impl Judge {
    fn report(&mut self, path: &Path, message: impl std::fmt::Display) {
        self.problems.push(Problem::new(path.clone(), message));
    }

    fn value(&mut self, schema: &Value, value: &Value, path: &Path) {
        if schema["x-kubernetes-int-or-string"] == true {
            if !(value.is_i64() || value.is_u64() || value.is_string()) {
                self.report(path, format_args!("is {}; write a whole number or a text", name_of(value)));
            }
            return;
        }
        match (schema["type"].as_str(), value) {
            (Some("object"), Value::Object(fields)) => self.object(schema, fields, path),
            (Some("array"), Value::Array(items)) => self.list(schema, items, path),
            (Some("string"), Value::String(text)) => self.text(schema, text, path),
            (Some("boolean"), Value::Bool(_)) | (None, _) => {}
            (Some("integer"), Value::Number(n)) if n.is_i64() || n.is_u64() => self.number(schema, value, path),
            (Some("number"), Value::Number(_)) => self.number(schema, value, path),
            (Some(expected), _) => self.wrong_type(expected, value, path),
        }
    }

    fn wrong_type(&mut self, expected: &str, value: &Value, path: &Path) {
        let hint = match (expected, value) {
            ("integer" | "number", Value::String(text)) if text.parse::<f64>().is_ok() => "; remove the quotes",
            ("boolean", Value::String(text)) if ["true", "false"].contains(&text.as_str()) => "; remove the quotes",
            ("string", Value::Number(_) | Value::Bool(_)) => "; put it in quotes",
            _ => "",
        };
        let expected = match expected {
            "integer" => "a whole number",
            "number" => "a number",
            "boolean" => "true or false",
            "string" => "a text",
            "array" => "a list",
            _ => "an object with fields",
        };
        self.report(path, format_args!("is {}, not {expected}{hint}", name_of(value)));
    }

    fn number(&mut self, schema: &Value, value: &Value, path: &Path) {
        let n = value.as_f64().unwrap_or(f64::NAN);
        let (least, most) = (schema["minimum"].as_f64(), schema["maximum"].as_f64());
        if least.is_none_or(|least| n >= least) && most.is_none_or(|most| n <= most) {
            return;
        }
        let allowed = match (least, most) {
            (Some(least), Some(most)) => Range::new(least, most).to_string(),
            (Some(least), None) => format!("{least} or more"),
            (None, most) => format!("{} or less", most.unwrap_or_default()),
        };
        self.report(path, out_of_range(value, allowed));
    }

    fn text(&mut self, schema: &Value, text: &str, path: &Path) {
        if let Some(allowed) = schema["enum"].as_array() {
            let allowed: Vec<_> = allowed.iter().filter_map(Value::as_str).collect();
            if !allowed.contains(&text) {
                self.report(path, format_args!("{text:?} is not known; allowed is {}", allowed.join(", ")));
            }
            return;
        }
        self.size(schema, "Length", text.chars().count(), "characters", path);
        if let Some(pattern) = schema["pattern"].as_str()
            && self.compiled(pattern).is_some_and(|regex| !regex.is_match(text))
        {
            let form = rules::FORMS.iter().find(|form| form.pattern == pattern).map(|form| form.said_of(text));
            let words = || rules::PATTERNS.iter().find(|(known, _)| *known == pattern).map(|(_, words)| wrong_form(text, words));
            self.report(path, form.or_else(words).unwrap_or_else(|| format!("{text:?} does not match {pattern}")));
        }
    }

    fn list(&mut self, schema: &Value, items: &[Value], path: &Path) {
        self.size(schema, "Items", items.len(), "elements", path);
        for (i, item) in items.iter().enumerate() {
            self.value(&schema["items"], item, &path.index(i));
        }
    }

    fn object(&mut self, schema: &Value, fields: &Map<String, Value>, path: &Path) {
        self.size(schema, "Properties", fields.len(), "entries", path);
        for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !fields.contains_key(required) {
                self.report(&path.field(required), "is missing");
            }
        }
        let known = schema["properties"].as_object();
        for (name, value) in fields {
            if let Some(schema) = known.and_then(|k| k.get(name)) {
                self.value(schema, value, &path.field(name));
            } else if schema["additionalProperties"].is_object() {
                self.value(&schema["additionalProperties"], value, &path.field(name));
            } else if let Some(known) = known
                && schema["x-kubernetes-preserve-unknown-fields"] != true
            {
                self.report(&path.field(name), unknown(name, known));
            }
        }
    }

    /// Judges a length by `min…` and `max…`.
    fn size(&mut self, schema: &Value, what: &str, n: usize, unit: &str, path: &Path) {
        let bound = |side: &str| schema[format!("{side}{what}")].as_u64().and_then(|n| usize::try_from(n).ok());
        let size = Size::new(bound("min").unwrap_or(0), bound("max").unwrap_or(usize::MAX));
        if let Some(refusal) = size.refusal_of(n, unit) {
            self.report(path, refusal);
        }
    }

    /// The regular expression, compiled once however many texts it judges.
    fn compiled(&mut self, pattern: &str) -> Option<&Regex> {
        if !self.patterns.contains_key(pattern) {
            self.patterns.insert(pattern.to_owned(), Regex::new(pattern).ok());
        }
        self.patterns.get(pattern)?.as_ref()
    }
}

/// What to say of a field that does not exist: the one that was meant if there is one, else those there are.
fn unknown(name: &str, known: &Map<String, Value>) -> String {
    let near = known.keys().map(|k| (strsim::damerau_levenshtein(&k.to_lowercase(), &name.to_lowercase()), k)).min();
    match near {
        Some((distance, meant)) if distance <= 1 + name.len() / 5 => format!("is no field; did you mean {meant}?"),
        _ => format!("is no field; there are {}", known.keys().map(String::as_str).collect::<Vec<_>>().join(", ")),
    }
}

fn name_of(value: &Value) -> String {
    match value {
        Value::Null => "empty".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object with fields".to_owned(),
        scalar => {
            let text = scalar.to_string();
            if text.chars().count() > 40 { format!("{}…", text.chars().take(40).collect::<String>()) } else { text }
        }
    }
}
