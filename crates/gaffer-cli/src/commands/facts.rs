//! What is known about one thing, as lines: `key: value`.

use serde_json::Value;

use crate::escaped;

/// What is not known, or not there.
pub const NOTHING: &str = "-";

/// What the key may not know.
pub const HIDDEN: &str = "(hidden)";

/// What a field of an object says: a fact, or one for each entry where it has such, as `env.PORT`. A variable without a value is one that
/// the node hides.
pub fn of_field(key: &str, value: &Value) -> Vec<(String, String)> {
    let of_entry = |value: &Value| if key == "env" && value.is_null() { HIDDEN.to_owned() } else { plain(value) };
    match value {
        Value::Object(fields) => {
            fields.iter().map(|(field, value)| (format!("{key}.{field}"), of_entry(value))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            vec![(key.to_owned(), plain(value))]
        }
    }
}

/// JSON as people write it.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => NOTHING.to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => NOTHING.to_owned(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

/// Facts, one a line.
pub fn lines(facts: &[(String, String)]) -> String {
    // A line break would make another fact of what is behind it.
    let line = |(key, value): &(String, String)| format!("{}: {}", escaped(key), escaped(value));
    facts.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_told_as_people_write_them() {
        let facts: Vec<_> = [
            ("env", json!({"B": "two\nlines", "A": "", "SECRET": null})),
            ("flapping", json!({"window": null})),
            ("args", json!(["-p", 80])),
            ("none", json!([])),
            ("uid", json!(null)),
            ("once", json!(true)),
        ]
        .iter()
        .flat_map(|(key, value)| of_field(key, value))
        .collect();
        assert_eq!(
            lines(&facts),
            "env.A: \nenv.B: two\\nlines\nenv.SECRET: (hidden)\nflapping.window: -\nargs: -p,80\nnone: -\nuid: -\nonce: true"
        );
    }
}
