//! Limits in schemas: `#[schemars(transform = &limits::RATE)]` writes one into the schema of a field.

use schemars::Schema;
use schemars::transform::Transform;
use serde_json::Value;

use super::{Form, List, Ordered, Range, Size, Text};

impl<T: Ordered> Transform for &Range<T> {
    fn transform(&mut self, schema: &mut Schema) {
        T::describe(**self, schema);
    }
}

impl Transform for &Size {
    fn transform(&mut self, schema: &mut Schema) {
        let what = [("array", "Items"), ("object", "Properties")]
            .into_iter()
            .find(|(kind, _)| is(schema, kind))
            .map_or("Length", |(_, what)| what);
        if self.min > 0 {
            schema.insert(format!("min{what}"), self.min.into());
        }
        if self.max < usize::MAX {
            schema.insert(format!("max{what}"), self.max.into());
        }
    }
}

impl Transform for &Form {
    fn transform(&mut self, schema: &mut Schema) {
        schema.insert("pattern".to_owned(), self.pattern.into());
    }
}

impl Transform for &Text {
    fn transform(&mut self, schema: &mut Schema) {
        (&self.size).transform(schema);
        (&self.form).transform(schema);
    }
}

impl<L> Transform for &List<L>
where
    for<'a> &'a L: Transform,
{
    fn transform(&mut self, schema: &mut Schema) {
        (&self.size).transform(schema);
        if let Some(items) = schema.get_mut("items").and_then(|items| <&mut Schema>::try_from(items).ok()) {
            (&self.each).transform(items);
        }
    }
}

/// Whether a schema is of values of this type, or of none.
fn is(schema: &Schema, name: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(found)) => found == name,
        Some(Value::Array(all)) => all.iter().any(|found| found == name),
        _ => false,
    }
}
