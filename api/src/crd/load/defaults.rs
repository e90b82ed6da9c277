//! Nulls, as an API server treats them.

use serde_json::Value;

/// Removes the nulls of all fields that `schema` knows: `field:` with nothing behind it means that the field is absent.
pub(super) fn drop_nulls(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let known = schema.get("properties").and_then(Value::as_object);
            if let Some(known) = known {
                fields.retain(|name, value| !(value.is_null() && known.contains_key(name)));
            }
            for (name, value) in fields.iter_mut() {
                if let Some(schema) = known.and_then(|k| k.get(name)).or_else(|| schema.get("additionalProperties")) {
                    drop_nulls(schema, value);
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                items.iter_mut().for_each(|item| drop_nulls(schema, item));
            }
        }
        _ => {}
    }
}
